//! What upstream has that no manifest declares.

use super::page::{Page, Tone, faint, plain, strong, toned};
use super::{are, count};
use crate::chart::Version;
use crate::graph::StepGraph;
use crate::oci::Repository;
use crate::report::consume;
use crate::resolve::upstream::{Newer, Upstream};

/// How many newer versions of a mirror are named.
const NAMED: usize = 6;

/// One mirror beside its source.
#[derive(Debug, Clone)]
pub struct Outdated {
    /// The chart's name.
    pub name: String,
    /// The manifest.
    pub file: String,
    /// Where it comes from.
    pub source: Repository,
    /// Where it is published.
    pub destination: Repository,
    /// The newest version that is declared.
    pub newest: Version,
    /// The newer ones upstream, the newest first; else why they are not known.
    pub newer: Result<Vec<Version>, String>,
    /// The command that adds the newest.
    pub add: Option<String>,
    /// Older lines that have newer patches, the newest line first.
    pub patches: Vec<Patches>,
}

/// Patches of a line of which an older one is declared.
#[derive(Debug, Clone)]
pub struct Patches {
    /// The newest version of the line that is declared.
    pub declared: Version,
    /// The newer ones, the newest first.
    pub newer: Vec<Version>,
    /// The command that adds the newest.
    pub add: String,
}

impl Outdated {
    /// Whether upstream has something to add.
    fn is_behind(&self) -> bool {
        self.add.is_some() || !self.patches.is_empty()
    }

    /// A mirror's answer with the command that follows from it.
    #[must_use]
    pub fn of(upstream: Upstream<'_>, graph: &StepGraph) -> Self {
        let Upstream { mirror, newest, found } = upstream;
        let name = graph.selector(&mirror.destination);
        let add = |version: &Version| format!("chartsync add {}", consume::quotable(&format!("{name}@{version}")));
        let (newer, patches) = match found {
            Ok(Newer { above, patches }) => (Ok(above), patches),
            Err(error) => (Err(error.to_string()), Vec::new()),
        };
        let patches = patches.into_iter().filter_map(|(declared, newer)| {
            Some(Patches { declared: declared.clone(), add: add(newer.first()?), newer })
        });
        Self {
            name: mirror.chart().to_owned(),
            file: mirror.file.clone(),
            source: mirror.source.clone(),
            destination: mirror.destination.clone(),
            newest: newest.clone(),
            add: newer.as_ref().ok().and_then(|newer| newer.first()).map(add),
            patches: patches.collect(),
            newer,
        }
    }
}

/// Mirrors that are behind, then those that could not be asked. The last line is the summary.
#[must_use]
pub fn outdated(mirrors: &[Outdated]) -> String {
    let mut page = Page::default();
    for mirror in mirrors {
        if let Ok(newer) = &mirror.newer {
            behind(&mut page, mirror, newer);
        }
    }
    for mirror in mirrors {
        if let Err(error) = &mirror.newer {
            page.gap();
            page.line(0, &[toned(Tone::Bad, "E not asked"), plain("  "), strong(mirror.name.as_str())]);
            page.line(4, &[plain(error.as_str())]);
            page.line(4, &[faint("at "), plain(mirror.file.as_str())]);
            page.line(4, &[faint("next: "), plain("run again; if it stays so, correct `source` in the manifest")]);
        }
    }
    page.gap();
    let (tone, text) = summary(mirrors);
    page.line(0, &[toned(tone, text)]);
    page.finish()
}

fn behind(page: &mut Page, mirror: &Outdated, newer: &[Version]) {
    if !mirror.is_behind() {
        return;
    }
    page.gap();
    page.line(0, &[toned(Tone::Warning, "u outdated"), plain("  "), strong(mirror.name.as_str())]);
    page.line(4, &[faint("declared: "), plain(format!("{} is the newest in {}", mirror.newest, mirror.file))]);
    if let Some(add) = &mirror.add {
        page.line(4, &[faint("upstream: "), plain(named(newer))]);
        page.line(4, &[faint("next: "), plain(format!("`{add}`"))]);
    }
    for Patches { declared, newer, add } in &mirror.patches {
        page.line(4, &[faint("patches: "), plain(format!("{} for {declared}", named(newer)))]);
        page.line(4, &[faint("next: "), plain(format!("`{add}`"))]);
    }
}

/// The first of these versions, and how many more there are.
fn named(versions: &[Version]) -> String {
    let named = versions.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match versions.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more, all in `--format json`"),
    }
}

fn summary(mirrors: &[Outdated]) -> (Tone, String) {
    let of = |test: fn(&Outdated) -> bool| mirrors.iter().filter(|mirror| test(mirror)).count();
    let behind = of(Outdated::is_behind);
    let failed = of(|mirror| mirror.newer.is_err());
    let current = mirrors.len() - behind - failed;
    let mut told = Vec::new();
    if behind > 0 {
        told.push(format!("{} {} behind", count(behind, "mirror"), are(behind)));
    }
    if current > 0 {
        let have = if current == 1 { "has" } else { "have" };
        told.push(format!("{} {have} nothing newer upstream", count(current, "mirror")));
    }
    if failed > 0 {
        told.push(format!("{} could not be asked", count(failed, "mirror")));
    }
    if told.is_empty() {
        told.push("nothing is mirrored".to_owned());
    }
    (if failed == 0 { Tone::Good } else { Tone::Bad }, told.join(", "))
}
