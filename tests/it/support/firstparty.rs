//! Workspaces with charts of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use axum::http::Method;
use serde_json::Value;

use super::charts::Desk;
use super::images::{Image, digest};
use super::process::run;
use super::registry::{Kind, Registry};
use super::tools::HELMS;
use super::workspace::{Workspace, unsigned};

const TEMPLATE: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\ndata:\n  says: \"{{ .Values.says }}\"\n";

/// Writes a chart's folder; `more` is the rest of its Chart.yaml.
pub(crate) fn chart(workspace: &Workspace, name: &str, version: &str, more: &str) {
    let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: Our own\n{more}");
    workspace.write(&format!("charts/{name}/Chart.yaml"), chart_yaml);
    workspace.write(&format!("charts/{name}/values.yaml"), "says: hello\n");
    workspace.write(&format!("charts/{name}/templates/config.yaml"), TEMPLATE);
}

/// Chart.yaml's dependencies and the Chart.lock over them, as helm writes it: names, versions and where they are published.
pub(crate) fn depend(workspace: &Workspace, name: &str, version: &str, on: &[(&str, &str)], parent: &str) {
    let entry = |(name, version): &(&str, &str)| {
        format!("- name: {name}\n  repository: oci://{parent}\n  version: {version}\n")
    };
    let entries: String = on.iter().map(entry).collect();
    chart(workspace, name, version, &format!("dependencies:\n{entries}"));
    let entry = |(name, version): &(&str, &str)| {
        format!("{{\"name\":\"{name}\",\"version\":\"{version}\",\"repository\":\"oci://{parent}\"}}")
    };
    let list = on.iter().map(entry).collect::<Vec<_>>().join(",");
    let digest = digest(format!("[[{list}],[{list}]]").as_bytes());
    let lock = format!("dependencies:\n{entries}digest: {digest}\ngenerated: \"2024-01-01T00:00:00Z\"\n");
    workspace.write(&format!("charts/{name}/Chart.lock"), lock);
}

/// A registry, a desk, and a workspace that publishes below `charts`.
pub(crate) struct Bench {
    pub(crate) registry: Registry,
    pub(crate) desk: Desk,
    pub(crate) workspace: Workspace,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::on(Kind::Distribution)
    }

    pub(crate) fn on(kind: Kind) -> Self {
        let registry = Registry::start(kind);
        let workspace = Workspace::new(&registry.repository("charts")).plain_http(&registry.host());
        Self { desk: Desk::new(), workspace: workspace.layout("upstream.example", "upstream"), registry }
    }

    pub(crate) fn parent(&self) -> String {
        self.registry.repository("charts")
    }

    /// Mirrors `web` 1.0.0 from a layout, locked.
    pub(crate) fn mirror(&self) -> Image {
        let image = Image::chart("web", "1.0.0", "", None);
        image.put(&self.workspace.path("upstream/web"), "1.0.0");
        let to = format!("{}/web", self.parent());
        self.workspace.mirror("web", "upstream.example/web", &to, &["1.0.0"], &unsigned());
        self.workspace.run("lock --only mirrors").ok();
        image
    }

    /// The unpacked chart as both helms pull it.
    #[track_caller]
    pub(crate) fn pulled(&self, name: &str, version: &str) -> PathBuf {
        let mut unpacked = None;
        for helm in HELMS {
            let (ran, into) = self.desk.pull(helm, &format!("{}/{name}", self.parent()), version, None);
            ran.ok();
            let tgz = into.path().join(format!("{name}-{version}.tgz"));
            self.desk.run(helm, &format!("template {}", tgz.display())).ok().says("says: \"hello\"");
            let to = self.desk.path(&format!("unpacked-{helm:?}"));
            let _ = fs::remove_dir_all(&to);
            fs::create_dir(&to).unwrap();
            run(Command::new("tar").arg("-xzf").arg(&tgz).arg("-C").arg(&to)).ok();
            unpacked = Some(to.join(name));
        }
        unpacked.unwrap()
    }

    /// The row of a chart in the plan's JSON.
    #[track_caller]
    pub(crate) fn row(&self, words: &str, name: &str) -> Value {
        let ran = run(self.workspace.command().args(words.split_whitespace()));
        let json: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
        json["charts"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
    }

    /// Where in the run the first request of this kind to this repository came.
    pub(crate) fn first(seen: &[(Method, String)], method: &Method, begins: &str) -> usize {
        let at = seen.iter().position(|(made, path)| made == method && path.starts_with(begins));
        at.unwrap_or_else(|| panic!("no {method} {begins}: {seen:?}"))
    }
}
