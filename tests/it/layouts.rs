//! Layouts that chartsync writes, read by released tools, and the other way round.

use crate::support::charts::Desk;
use crate::support::images::{Image, named};
use crate::support::pgp::Key;
use crate::support::registry::{Kind, Registry};
use crate::support::tools::{HELMS, Tool};
use crate::support::workspace::Workspace;

const UPSTREAM: &str = "upstream.example";
const CHARTS: &str = "charts.example";

/// From one folder of layouts to another.
fn workspace() -> Workspace {
    Workspace::new(&format!("{CHARTS}/platform"))
        .layout(UPSTREAM, "registry/upstream")
        .layout(CHARTS, "registry/published")
}

#[test]
fn oras_and_crane_read_what_chartsync_writes() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Helm3, Tool::Oras, Tool::Crane);
    let (registry, desk, workspace) = (Registry::start(Kind::Distribution), Desk::new(), workspace());
    let key = Key::new("Releases <releases@example.org>");
    let image = Image::chart("web", "1.2.3+build.7", "", Some(&key));
    image.put(&workspace.path("registry/upstream/charts/web"), "1.2.3_build.7");
    let to = format!("{CHARTS}/platform/web");
    workspace.mirror("web", &format!("{UPSTREAM}/charts/web"), &to, &["1.2.3+build.7"], &workspace.signed_by(&key));
    workspace.run("lock").ok();
    workspace.run("apply").ok();

    let layout = workspace.path("registry/published/platform/web");
    let tagged = format!("{}:1.2.3_build.7", layout.display());
    assert_eq!(desk.run(Tool::Oras, &format!("manifest fetch --oci-layout {tagged}")).ok().stdout, image.manifest);

    let by_oras = registry.repository("oras/web");
    desk.run(Tool::Oras, &format!("cp --from-oci-layout {tagged} --to-plain-http {by_oras}:1.2.3_build.7")).ok();
    let by_crane = registry.repository("crane/web");
    desk.run(Tool::Crane, &format!("push {} {by_crane}:1.2.3_build.7", layout.display())).ok();
    let keyring = desk.write("releases.gpg", key.public());
    for repository in [by_oras, by_crane] {
        assert_eq!(desk.digest(&format!("{repository}:1.2.3_build.7")), image.digest());
        for helm in HELMS {
            desk.pull(helm, &repository, "1.2.3+build.7", Some(&keyring)).0.ok().says(&key.fingerprint());
        }
    }
}

#[test]
fn chartsync_reads_what_oras_and_crane_write() {
    needs!(Tool::Distribution, Tool::Helm4, Tool::Oras, Tool::Crane);
    let (registry, desk) = (Registry::start(Kind::Distribution), Desk::new());
    // crane names what it pulls by its whole reference, so its layouts stand for the registry that it pulled from.
    let workspace = workspace().layout(&registry.host(), "registry/crane");
    let key = Key::new("Releases <releases@example.org>");
    let layout = |tool: &str| workspace.path(&format!("registry/{tool}/web")).display().to_string();
    std::fs::create_dir_all(layout("crane")).unwrap();
    for version in ["1.0.0", "1.1.0"] {
        desk.publish(Tool::Helm4, &registry.host(), "web", version, Some(&key));
        let from = registry.repository(&format!("web:{version}"));
        desk.run(Tool::Oras, &format!("cp --from-plain-http {from} --to-oci-layout {}:{version}", layout("upstream")))
            .ok();
        desk.run(Tool::Crane, &format!("pull --format=oci --annotate-ref {from} {}", layout("crane"))).ok();
    }
    for (tool, host) in [("oras", UPSTREAM), ("crane", &registry.host())] {
        let to = format!("{CHARTS}/platform/{tool}/web");
        workspace.mirror(tool, &format!("{host}/web"), &to, &["1.0.0", "1.1.0"], &workspace.signed_by(&key));
    }
    workspace.run("lock").ok();
    workspace.run("apply").ok();
    for version in ["1.0.0", "1.1.0"] {
        let digest = desk.digest(&registry.repository(&format!("web:{version}")));
        for tool in ["oras", "crane"] {
            let layout = workspace.path(&format!("registry/published/platform/{tool}/web"));
            assert_eq!(named(&layout, version).as_ref(), Some(&digest), "{tool} {version}");
        }
    }
}

#[test]
fn a_layout_keeps_what_others_put_there() {
    needs!(Tool::Oras);
    let (desk, workspace) = (Desk::new(), workspace());
    let key = Key::new("Releases <releases@example.org>");
    Image::chart("web", "1.0.0", "", Some(&key)).put(&workspace.path("registry/upstream/charts/web"), "1.0.0");
    let layout = workspace.path("registry/published/platform/web");
    let foreign = Image::chart("web", "0.9.0", "", None);
    foreign.put(&layout, "0.9.0");
    let from = format!("{UPSTREAM}/charts/web");
    workspace.mirror("web", &from, &format!("{CHARTS}/platform/web"), &["1.0.0"], &workspace.signed_by(&key));
    workspace.run("lock").ok();
    workspace.run("apply").ok();
    assert_eq!(named(&layout, "0.9.0"), Some(foreign.digest()));
    let tags = desk.run(Tool::Oras, &format!("repo tags --oci-layout {}", layout.display())).ok().stdout();
    assert_eq!(tags.lines().collect::<Vec<_>>(), ["0.9.0", "1.0.0"]);
}
