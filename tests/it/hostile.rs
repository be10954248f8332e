//! What hostile and broken registries are tried on: twenty upstreams, of which one may misbehave and must stop none of the others;
//! and one chart between a source and a destination.

use std::fmt::Display;

use crate::support::images::Image;
use crate::support::process::Ran;
use crate::support::wild::{Asked, Reply, Store, Wild};
use crate::support::workspace::{Workspace, unsigned};

pub(crate) const UPSTREAMS: usize = 20;
/// The one that misbehaves.
pub(crate) const HOSTILE: usize = 7;
pub(crate) const VERSION: &str = "1.0.0";

/// What must become of the chart of a hostile upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is refused, with the chart's name and a failure as the exit status.
    Refused,
    /// What is wrong proves nothing and is not looked at: the bytes are right, and they count.
    Harmless,
}

/// `lock` and `apply` alike.
pub(crate) const REFUSED: [Fate; 2] = [Fate::Refused; 2];
pub(crate) const HARMLESS: [Fate; 2] = [Fate::Harmless; 2];

/// Twenty upstreams of one chart each, `c0` to `c19`, and where they are published.
pub(crate) struct Twenty {
    pub(crate) workspace: Workspace,
    pub(crate) upstreams: Vec<Wild>,
    pub(crate) destination: Wild,
    lockfile: String,
}

pub(crate) fn chart(at: usize) -> String {
    format!("c{at}")
}

fn source(at: usize) -> String {
    format!("charts/{}", chart(at))
}

pub(crate) fn image(at: usize) -> Image {
    Image::chart(&chart(at), VERSION, "", None)
}

impl Twenty {
    /// All of them well, pinned, and nothing published.
    pub(crate) fn new() -> Self {
        let (upstreams, destination) = ((0..UPSTREAMS).map(|_| Wild::start()).collect::<Vec<_>>(), Wild::start());
        let mut workspace = Workspace::new(&destination.repository("charts")).plain_http(&destination.host());
        for (at, upstream) in upstreams.iter().enumerate() {
            upstream.store().put(&source(at), VERSION, &image(at));
            workspace = workspace.plain_http(&upstream.host());
            let to = destination.repository(&source(at));
            workspace.mirror(&chart(at), &upstream.repository(&source(at)), &to, &[VERSION], &unsigned());
        }
        workspace.run("lock").ok();
        let lockfile = workspace.read("mirrors.lock");
        Self { workspace, upstreams, destination, lockfile }
    }

    /// What `lock` wrote when all were well.
    pub(crate) fn lockfile(&self) -> &str {
        &self.lockfile
    }

    pub(crate) fn hostile(&self) -> &Wild {
        &self.upstreams[HOSTILE]
    }

    /// Every chart is as upstream has it, nothing is pinned, published or cached.
    pub(crate) fn reset(&self) {
        self.recover();
        *self.destination.store() = Store::default();
        self.workspace.forget_cache();
        std::fs::remove_file(self.workspace.path("mirrors.lock")).unwrap();
    }

    /// The hostile upstream is itself again.
    pub(crate) fn recover(&self) {
        self.hostile().behave();
        let mut store = self.hostile().store();
        *store = Store::default();
        store.put(&source(HOSTILE), VERSION, &image(HOSTILE));
    }

    /// From now on everything is pinned as it was when upstream was well.
    pub(crate) fn pinned(&self) {
        self.workspace.forget_cache();
        self.workspace.write("mirrors.lock", &self.lockfile);
    }

    /// Exactly these charts are published, with the bytes that upstream had.
    #[track_caller]
    pub(crate) fn published(&self, what: &impl Display, is: impl Fn(usize) -> bool) {
        let store = self.destination.store();
        for at in 0..UPSTREAMS {
            let expected = is(at).then(|| image(at).digest());
            assert_eq!(store.tag(&source(at), VERSION), expected, "{what}: {}", chart(at));
        }
    }

    /// Exactly these charts are pinned.
    #[track_caller]
    pub(crate) fn pins(&self, what: &impl Display, is: impl Fn(usize) -> bool) {
        let lockfile = self.workspace.read("mirrors.lock");
        for at in 0..UPSTREAMS {
            let pinned = lockfile.contains(&format!("name = \"{}\"\n", chart(at)));
            assert_eq!(pinned, is(at), "{what}: {}", chart(at));
            assert_eq!(lockfile.contains(&image(at).digest()), is(at), "{what}: {}", chart(at));
        }
    }

    /// One upstream answers like this: `lock` pins the others and `apply` publishes them; once it is well again, it too.
    #[track_caller]
    pub(crate) fn check(
        &self,
        what: &str,
        [locked, applied]: [Fate; 2],
        rule: impl Fn(&Asked, &mut Store) -> Reply + Clone + Send + Sync + 'static,
    ) {
        self.reset();
        self.hostile().answer(rule.clone());
        let ran = self.workspace.run("lock");
        decent(what, &ran, locked);
        self.pins(&format!("{what}: {ran}"), |at| at != HOSTILE || locked == Fate::Harmless);
        self.pinned();
        let ran = self.workspace.run("apply");
        decent(what, &ran, applied);
        self.published(&format!("{what}: {ran}"), |at| at != HOSTILE || applied == Fate::Harmless);
        self.recover();
        let ran = self.workspace.run("apply").ok();
        self.published(&format!("{what}: {ran}"), |_| true);
    }
}

/// `web` 1.0.0, pinned, between a source and a destination that are well at first.
pub(crate) struct One {
    pub(crate) workspace: Workspace,
    pub(crate) source: Wild,
    pub(crate) destination: Wild,
    pub(crate) image: Image,
}

impl One {
    /// Published as it is.
    pub(crate) fn new() -> Self {
        Self::with("method = \"none\"\n")
    }

    /// Published with a signature of the example's key.
    pub(crate) fn signed() -> Self {
        Self::with("method = \"key\"\nkey = \"throw-away.key\"\npublic-key = \"throw-away.pub\"\n")
    }

    fn with(signing: &str) -> Self {
        let (source, destination) = (Wild::start(), Wild::start());
        let image = Image::chart("web", VERSION, "", None);
        source.store().put("charts/web", VERSION, &image);
        let workspace = Workspace::signing(&destination.repository("charts"), signing);
        let workspace = workspace.plain_http(&source.host()).plain_http(&destination.host());
        example_key(&workspace);
        let (from, to) = (source.repository("charts/web"), destination.repository("charts/web"));
        workspace.mirror("web", &from, &to, &[VERSION], &unsigned());
        workspace.run("lock").ok();
        let one = Self { workspace, source, destination, image };
        one.reset();
        one
    }

    /// Both are well, nothing is published or cached, and nothing was asked.
    pub(crate) fn reset(&self) {
        self.source.behave();
        self.destination.behave();
        *self.destination.store() = Store::default();
        self.workspace.forget_cache();
        self.source.take();
        self.destination.take();
    }

    /// What the destination's name holds.
    pub(crate) fn held(&self) -> Option<String> {
        self.destination.store().tag("charts/web", VERSION)
    }

    /// Whatever it did, it told so, and the name holds the pinned bytes or nothing; once all are well, the next run ends the work
    /// and leaves nothing for another.
    #[track_caller]
    pub(crate) fn converges(&self, what: &str, ran: &Ran) {
        clean(what, ran);
        let held = self.held();
        assert!(held.is_none() || held.as_ref() == Some(&self.image.digest()), "{what}: {ran}");
        assert!(ran.code() != 0 || held.is_some(), "{what}: {ran}");
        self.source.behave();
        self.destination.behave();
        let again = self.workspace.run("apply").ok();
        assert_eq!(self.held(), Some(self.image.digest()), "{what}: {again}");
        self.destination.take();
        self.workspace.run("apply").ok().says("nothing to do");
        assert!(self.destination.take().iter().all(|asked| !asked.writes()), "{what}");
    }
}

/// The key pair of the example, whose password is empty.
pub(crate) fn example_key(workspace: &Workspace) {
    for file in ["throw-away.key", "throw-away.pub"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart").join(file);
        workspace.write(file, std::fs::read(path).unwrap());
    }
}

/// It ended as it should, told which chart, and drew nothing on the terminal.
#[track_caller]
pub(crate) fn decent(what: &str, ran: &Ran, fate: Fate) {
    let codes: &[i32] = if fate == Fate::Harmless { &[0] } else { &[1, 4] };
    assert!(codes.contains(&ran.code()), "{what}: {ran}");
    assert!(fate == Fate::Harmless || ran.said().contains(&chart(HOSTILE)), "{what}: no name in {ran}");
    clean(what, ran);
}

/// No panic, and nothing that a terminal would obey.
#[track_caller]
pub(crate) fn clean(what: &str, ran: &Ran) {
    let said = ran.said();
    assert!(!said.contains("panicked") && ran.code() != 101, "{what}: {ran}");
    assert!(said.chars().all(|character| character == '\n' || !character.is_control()), "{what}: {said:?}");
}
