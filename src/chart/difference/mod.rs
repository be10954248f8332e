//! What changes between two versions of a chart, from their archives alone: nothing is rendered.
//!
//! Owns which changes a reviewer is told and what deserves a second look. Total and bounded: whatever the charts hold, it
//! ends, and its result has a size that does not grow with theirs. What could not be read is told as such, never as equal.
//! Pure; knows no registry and no words for people.
//!
//! - `parts` takes a chart apart into itself and its subcharts.
//! - `actions` takes the template language apart as Go does; `calls` tells what its functions may hide.
//! - `templates` tells what of a template stands there literally; `joints` which lines are not what they look like.
//! - `fields` reads lines of YAML one by one; `documents` takes templates apart, `kinds` says what a document is; `objects`
//!   compares what they make.
//! - `words` are what deserves a second look; `powers` finds their lines, `conditions` what these stand under.
//! - `values`, `images`, `about` compare default values, images, and what Chart.yaml says.
//! - `patch` is the difference line by line.

use serde::{Deserialize, Serialize};

use super::Chart;

mod about;

mod actions;

mod calls;

mod conditions;

mod documents;

mod fields;

mod images;

mod joints;

mod kinds;

mod lines;

mod loaded;

mod objects;

mod parts;

mod patch;

mod powers;

mod templates;

mod values;

mod words;

pub use patch::{FilePatch, Hunk, HunkLine, Patched, patch};

use documents::Documents;
use parts::{Parts, Unpacked};
use values::Defaults;

/// The rules of comparing: raised whenever the same two archives give another difference.
pub const REVISION: u32 = 5;

/// The most entries of one list.
pub const ENTRY_LIMIT: usize = 500;
/// The most characters of one text.
const TEXT_LIMIT: usize = 200;

/// What is different. Empty for the same content; every text is upstream's, raw, and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Difference {
    /// What deserves a second look, the gravest first: told only where it is new against the version before.
    pub notices: Listed<Notice>,
    /// Images by reference.
    pub images: Changes<Image>,
    /// Declared and vendored dependencies.
    pub dependencies: Changes<Dependency>,
    /// What the templates and `crds/` make.
    pub objects: Changes<Object>,
    /// Default values.
    pub values: Changes<Value>,
    /// What Chart.yaml says besides.
    pub about: Changes<Field>,
    /// Every file, subcharts unpacked.
    pub files: Changes<File>,
    /// What has changed and could not be compared by what it means.
    pub unread: Listed<Unread>,
}

/// The first entries of a list, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listed<T> {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<T>,
}

/// The first changes of a kind, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Changes<T> {
    /// How many only the new version has.
    pub added: usize,
    /// How many only the old version has.
    pub removed: usize,
    /// How many are different.
    pub changed: usize,
    /// The first of them, whatever their kind.
    pub first: Vec<Change<T>>,
}

/// Something that one version has and the other has not, or has otherwise. At least one side is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Change<T> {
    /// In the old version.
    pub old: Option<T>,
    /// In the new version.
    pub new: Option<T>,
}

/// Something that deserves a second look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notice {
    /// What kind of thing it is.
    pub matter: Matter,
    /// Where it stands in the new version; in the old one for what is gone.
    pub file: String,
    /// Its line, where it has one.
    pub line: Option<u32>,
    /// Which one: a kind and a name, a path, a value.
    pub what: String,
}

/// Why something deserves a second look, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matter {
    /// A container with all the rights of its node, or one that may gain more rights.
    Privileged,
    /// A path of the node in a pod.
    HostPath,
    /// A namespace or a port of the node in a pod.
    HostNamespace,
    /// A rule for everything.
    Wildcard,
    /// A role of the cluster.
    ClusterRole,
    /// Whom a role of the cluster is given to.
    ClusterRoleBinding,
    /// A role in a namespace.
    Role,
    /// Whom a role is given to in a namespace.
    RoleBinding,
    /// A role or a binding that was there before says more now.
    Rules,
    /// A webhook or an API service: it stands in the way of the API server.
    Webhook,
    /// Something that Helm runs at its own time.
    Hook,
    /// A custom resource definition.
    Crd,
    /// A version that such a definition had not before.
    CrdVersion,
    /// A definition that is gone, and with it, if Helm removes it, every object of its kind.
    CrdGone,
    /// A version that such a definition no longer has, or no longer serves.
    CrdVersionGone,
    /// A repository that images come from, and none came from before.
    ImageRepository,
    /// A chart that this one did not depend on before.
    Dependency,
    /// When a dependency is installed, or which of its values its parent takes over, says something else.
    Terms,
    /// A template that reads from the cluster.
    Lookup,
    /// A template that makes templates of values.
    Tpl,
    /// An application that is a library now, or the other way round.
    Type,
    /// Which Kubernetes it wants.
    KubeVersion,
    /// The version of what is installed.
    AppVersion,
    /// Upstream says that nobody should use it any more.
    Deprecated,
    /// A person who did not maintain it before.
    Maintainer,
    /// A host that Chart.yaml did not name before.
    Host,
}

/// An image that the chart names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Image {
    /// As it would be pulled; `…` stands for what only rendering tells.
    pub reference: String,
    /// The first place that names it.
    pub file: String,
    /// Its line, where it has one.
    pub line: Option<u32>,
}

/// A chart that this one, or one of its subcharts, depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Dependency {
    /// Where it stands, or would: `charts/common`.
    pub path: String,
    /// The name that it goes by in its parent, where that is another.
    pub alias: Option<String>,
    /// The version or the range that is asked for; none for one that nobody declares.
    pub wanted: Option<String>,
    /// Where it comes from, as written.
    pub repository: Option<String>,
    /// The version that is in the archive.
    pub vendored: Option<String>,
}

/// What a document of a template makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name; `…` stands for what only rendering tells.
    pub name: String,
    /// The template.
    pub file: String,
    /// The line of its kind.
    pub line: u32,
}

/// A default value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Value {
    /// The values file.
    pub file: String,
    /// The line of its key, where it is known.
    pub line: Option<u32>,
    /// The keys that lead to it, with dots between.
    pub path: String,
    /// The value; where it is long, the part in which it differs.
    pub value: String,
}

/// A field of Chart.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Field {
    /// The Chart.yaml.
    pub file: String,
    /// The field.
    pub field: String,
    /// Its value.
    pub value: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    /// Below the chart's folder, subcharts unpacked.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: String,
    /// Whether it is no text.
    pub binary: bool,
}

/// Something that has changed and could not be compared by what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// The line where that begins; none for the whole file.
    pub line: Option<u32>,
    /// Why not.
    pub why: String,
}

/// What changes from the old chart to the new one.
#[must_use]
pub fn compare(old: &Chart, new: &Chart) -> Difference {
    let (old_packed, new_packed) = (Unpacked::of(&old.archive), Unpacked::of(&new.archive));
    let (old, new) = (Parts::of(&old.archive, &old_packed), Parts::of(&new.archive, &new_packed));
    let files = parts::compare(&old, &new);
    if files.is_empty() {
        return Difference::default();
    }
    let (old, new) = (Read::of(&old), Read::of(&new));
    let dependencies = about::dependencies(old.parts, new.parts);
    let mut notices = about::notices(old.parts, new.parts, &dependencies);
    let (rights, hidden) = powers::notices(&old, &new);
    notices.extend(rights);
    let (old_images, new_images) = (images::of(&old), images::of(&new));
    notices.extend(images::notices(&old_images, &new_images));
    let mut unread = unread(&old, &new);
    unread.extend(hidden);
    unread.extend(images::too_many(&new_images));
    let objects = objects::compare(&old.documents, &new.documents, &mut notices);
    Difference {
        notices: Listed::of(notices),
        images: images::compare(&old_images, &new_images),
        dependencies,
        objects,
        values: values::compare(&old.values, &new.values),
        about: about::fields(old.parts, new.parts),
        files,
        unread: Listed::of(unread),
    }
}

/// One version of the chart, read as far as it can be.
struct Read<'a> {
    parts: &'a Parts<'a>,
    documents: Documents<'a>,
    values: Vec<Defaults<'a>>,
}

impl<'a> Read<'a> {
    fn of(parts: &'a Parts<'a>) -> Self {
        Self { parts, documents: Documents::of(parts), values: values::read(parts) }
    }
}

/// What has changed and could not be compared by what it means.
fn unread(old: &Read<'_>, new: &Read<'_>) -> Vec<Unread> {
    let mut unread = parts::unread(old.parts, new.parts);
    unread.extend(documents::unread(&old.documents, &new.documents));
    unread.extend(images::unread(old, new));
    unread.extend(values::unread(&old.values, &new.values));
    let uses_tpl = new.documents.templates().iter().any(|template| template.facts().tpl.is_some());
    unread.extend(values::hidden(&old.values, &new.values, uses_tpl));
    unread.extend(loaded::unread(old, new));
    unread
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The same with no more than `limit` entries in each list; the counts stay.
    #[must_use]
    pub fn cut(mut self, limit: usize) -> Self {
        let Self { notices, images, dependencies, objects, values, about, files, unread } = &mut self;
        notices.first.truncate(limit);
        images.first.truncate(limit);
        dependencies.first.truncate(limit);
        objects.first.truncate(limit);
        values.first.truncate(limit);
        about.first.truncate(limit);
        files.first.truncate(limit);
        unread.first.truncate(limit);
        self
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T: Ord> Listed<T> {
    /// The first of all in their order.
    fn of(mut all: Vec<T>) -> Self {
        all.sort();
        all.dedup();
        let count = all.len();
        all.truncate(ENTRY_LIMIT);
        Self { count, first: all }
    }
}

impl<T> Listed<T> {
    /// How many are not among the first.
    #[must_use]
    pub fn more(&self) -> usize {
        self.count.saturating_sub(self.first.len())
    }
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { added: 0, removed: 0, changed: 0, first: Vec::new() }
    }
}

impl<T> Changes<T> {
    /// How many there are, whatever their kind.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.saturating_add(self.removed).saturating_add(self.changed)
    }

    /// How many are not among the first.
    #[must_use]
    pub fn more(&self) -> usize {
        self.count().saturating_sub(self.first.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Takes note of a change; nothing on both sides is none.
    fn push(&mut self, old: Option<T>, new: Option<T>) {
        self.push_with(old.is_some(), new.is_some(), || Change { old, new });
    }

    /// Takes note of a change that is made only if it is among the first.
    fn push_with(&mut self, old: bool, new: bool, change: impl FnOnce() -> Change<T>) {
        match (old, new) {
            (false, false) => return,
            (false, true) => self.added += 1,
            (true, false) => self.removed += 1,
            (true, true) => self.changed += 1,
        }
        if self.first.len() < ENTRY_LIMIT {
            self.first.push(change());
        }
    }
}

/// A text that is told: at most so long, raw otherwise.
fn told(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A line's number from its place, which begins at 0.
fn line_number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
