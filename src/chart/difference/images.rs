//! Images that a chart names: in default values, literally in templates, in the annotation `artifacthub.io/images`.
//!
//! Owns the shapes in which values name images. `Chart.appVersion` stands for an empty tag only where the chart says so: in a
//! template that names both, or in the comment at the tag.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{Line, Seen};
use super::fields::{APP_VERSION, Pair, is_literal, key, literally, pairs};
use super::parts::Part;
use super::values::{Defaults, Entry, Node, Step, at_line, path, windows};
use super::{Changes, Image, Matter, Notice, Read, Unread, told};

/// The most images that are looked at in one chart.
const IMAGE_LIMIT: usize = 10_000;
/// Where authors list the images that rendering would give.
const ANNOTATION: &str = "artifacthub.io/images";

/// Images by their whole reference, each with the first place that names it.
pub(super) type Images = BTreeMap<String, Image>;

/// A whole reference with its image.
type Named<'i> = (&'i str, &'i Image);

/// The images of a chart and its subcharts.
pub(super) fn of(read: &Read<'_>) -> Images {
    let mut images = Images::new();
    for part in read.parts.all.values() {
        of_annotation(part, &mut images);
    }
    for defaults in &read.values {
        let Some(part) = read.parts.all.get(defaults.part) else { continue };
        let app_version = part.metadata.as_ref().and_then(|metadata| metadata.app_version.as_deref());
        let speaks = |line: &&str| line.contains("Chart.AppVersion");
        let said_in: Vec<&str> = read.documents.lines_of(defaults.part).filter(speaks).take(1_000).collect();
        let comments = std::str::from_utf8(defaults.bytes).unwrap_or_default().lines().collect();
        let Ok(node) = &defaults.values else { continue };
        InValues { defaults, part, app_version, said_in, comments, images: &mut images }.visit(
            node,
            &mut Vec::new(),
            0,
        );
    }
    of_templates(read, &mut images);
    images
}

fn add(images: &mut Images, reference: &str, file: impl FnOnce() -> String, line: u32) {
    if images.len() < IMAGE_LIMIT && is_reference(reference) {
        images.entry(reference.to_owned()).or_insert_with(|| Image {
            reference: told(reference),
            file: file(),
            line: at_line(line),
        });
    }
}

/// Whether a text may name an image.
fn is_reference(text: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "._-/:@…".contains(char);
    text.chars().all(allowed) && text.chars().any(|char| char.is_ascii_alphabetic()) && !text.contains("://")
}

/// `repository`, `:tag`, `@digest` of a reference.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        // A port stands before a slash.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn of_annotation(part: &Part<'_>, images: &mut Images) {
    let annotation = part.metadata.as_ref().and_then(|metadata| metadata.annotation(ANNOTATION));
    for line in annotation.unwrap_or_default().lines() {
        if let Some(image) = key(line.trim_start().trim_start_matches("- "), "image") {
            add(images, image, || part.path_of("Chart.yaml"), 0);
        }
    }
}

fn of_templates(read: &Read<'_>, images: &mut Images) {
    for seen in manifests(read) {
        let part = read.parts.all.get(seen.template.part);
        let app_version =
            part.and_then(|part| part.metadata.as_ref()).and_then(|metadata| metadata.app_version.as_deref());
        for (line, pair) in named(seen) {
            let image = match app_version {
                Some(version) => literally(&pair.value.replace(APP_VERSION, version)),
                None => literally(pair.value),
            };
            // With no literal repository, values say which it is.
            if !repository(&image).contains('…') {
                add(images, &image, || seen.template.path(), line.number);
            }
        }
    }
}

/// The documents that may name images to be pulled.
fn manifests<'d>(read: &'d Read<'_>) -> impl Iterator<Item = Seen<'d>> {
    read.documents.all().filter(|seen| !seen.is_definition())
}

/// The images that stand in a document.
fn named(seen: Seen<'_>) -> impl Iterator<Item = (Line<'_>, Pair<'_>)> {
    let mut lines = seen.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        for pair in pairs(line.plain).filter(|pair| pair.key == "image") {
            // It may stand in the line below its key.
            let is_below = pair.value.is_empty() && !line.plain.contains(['{', '[']);
            let below = lines.peek().filter(|_| is_below).and_then(|below| Some((*below, pairs(below.plain).next()?)));
            found.push(below.filter(|(_, below)| below.key.is_empty()).unwrap_or((line, pair)));
        }
    }
    found.into_iter()
}

/// Repositories that no image of the old version came from.
pub(super) fn notices(old: &Images, new: &Images) -> Vec<Notice> {
    let mut known: BTreeSet<&str> = old.keys().map(|reference| repository(reference)).collect();
    let foreign = new.iter().filter(|(reference, _)| known.insert(repository(reference)));
    let one = |(reference, image): (&String, &Image)| Notice {
        matter: Matter::ImageRepository,
        file: image.file.clone(),
        line: image.line,
        what: told(repository(reference)),
    };
    foreign.map(one).collect()
}

/// Lines that are new and whose images cannot be read.
pub(super) fn unread(old: &Read<'_>, new: &Read<'_>) -> Vec<Unread> {
    let known: BTreeSet<(&str, &str)> =
        strange(old).map(|(seen, line, _)| (seen.template.part, line.written.trim())).collect();
    let strange = strange(new).filter(|(seen, line, _)| !known.contains(&(seen.template.part, line.written.trim())));
    let one = |(seen, line, why): (Seen<'_>, Line<'_>, &str)| Unread {
        file: seen.template.path(),
        line: Some(line.number),
        why: why.to_owned(),
    };
    strange.take(IMAGE_LIMIT).map(one).collect()
}

/// That not all images were looked at, where there are too many.
pub(super) fn too_many(images: &Images) -> Option<Unread> {
    (images.len() >= IMAGE_LIMIT).then(|| Unread {
        file: "templates".to_owned(),
        line: None,
        why: "they name more images than any chart's: not all were looked at".to_owned(),
    })
}

/// Lines whose images cannot be read, and why.
fn strange<'d>(read: &'d Read<'_>) -> impl Iterator<Item = (Seen<'d>, Line<'d>, &'static str)> {
    manifests(read).flat_map(|seen| named(seen).map(move |(line, pair)| (seen, line, pair))).filter_map(
        |(seen, line, pair)| {
            let is_strange = is_literal(pair.value) && !pair.value.is_empty() && !is_reference(pair.value);
            let by_action = seen.template.facts().names.contains(&line.number);
            let why = if is_strange { "the image in it cannot be read" } else { "an action names an image in it" };
            (is_strange || by_action).then_some((seen, line, why))
        },
    )
}

struct InValues<'n, 'i> {
    defaults: &'n Defaults<'n>,
    part: &'n Part<'n>,
    app_version: Option<&'n str>,
    /// Lines of templates that name the appVersion.
    said_in: Vec<&'n str>,
    /// The lines of the values file.
    comments: Vec<&'n str>,
    images: &'i mut Images,
}

impl<'n> InValues<'n, '_> {
    fn visit(&mut self, node: &'n Node, steps: &mut Vec<Step<'n>>, line: u32) {
        if self.images.len() >= IMAGE_LIMIT {
            return;
        }
        match node {
            Node::Scalar(_) => {}
            Node::List(list) => {
                for (at, (line, node)) in list.iter().enumerate() {
                    steps.push(Step::Item(at));
                    self.visit(node, steps, *line);
                    steps.pop();
                }
            }
            Node::Map(entries) => {
                self.mapping(node, steps, line);
                for entry in entries {
                    steps.push(Step::Key(&entry.key));
                    self.visit(&entry.value, steps, entry.line);
                    steps.pop();
                }
            }
        }
    }

    /// What a mapping says of an image in its own fields.
    fn mapping(&mut self, node: &'n Node, steps: &[Step<'n>], line: u32) {
        let field = |names: &[&str]| names.iter().find_map(|name| text(node.get(name)?));
        let tag = field(&["tag", "imageTag"]);
        let digest = field(&["digest", "sha"]);
        let registry = field(&["registry"]);
        let is_named_so = matches!(steps.last(), Some(Step::Key(key)) if key.to_ascii_lowercase().ends_with("image"));
        if let Some(repository) = field(&["repository"]) {
            let speaks_of_one = is_named_so
                || ["tag", "digest", "registry", "pullPolicy", "sha"].iter().any(|key| node.get(key).is_some());
            if let Some(image) = field(&["image"]) {
                self.add(&[registry, Some(repository), Some(image)], tag, digest, steps, node, line);
            } else if speaks_of_one {
                self.add(&[registry, Some(repository)], tag, digest, steps, node, line);
            }
        } else if let Some(name) = field(&["name"]).filter(|_| is_named_so && node.get("tag").is_some()) {
            self.add(&[registry, Some(name)], tag, digest, steps, node, line);
        } else if let Some(image) = field(&["image"]) {
            let tag = tag.or_else(|| field(&["version"]).filter(|_| registry.is_some()));
            self.add(&[registry, Some(image)], tag, digest, steps, node, line);
        }
        let Node::Map(entries) = node else { return };
        for entry in entries.iter().filter(|entry| entry.key.ends_with("Image") || entry.key.ends_with("_image")) {
            if let Some(image) = text(entry).filter(|image| image.contains(['/', ':'])) {
                self.keep(image, entry.line);
            }
        }
    }

    fn add(
        &mut self,
        parts: &[Option<&str>],
        tag: Option<&str>,
        digest: Option<&str>,
        steps: &[Step<'n>],
        node: &'n Node,
        line: u32,
    ) {
        let mut reference = parts.iter().flatten().copied().collect::<Vec<_>>().join("/");
        let has_own = repository(&reference).len() < reference.len();
        let stands_in = || self.app_version.filter(|_| self.is_said(steps, node));
        if let Some(tag) = tag.or_else(|| if has_own || digest.is_some() { None } else { stands_in() }) {
            reference = format!("{reference}:{tag}");
        }
        if let Some(digest) = digest {
            let algorithm = if digest.contains(':') { "" } else { "sha256:" };
            reference = format!("{reference}@{algorithm}{digest}");
        }
        let named = ["repository", "image", "name"].iter().find_map(|name| node.get(name));
        self.keep(&reference, named.map_or(line, |entry| entry.line));
    }

    fn keep(&mut self, reference: &str, line: u32) {
        let (part, file) = (self.part, self.defaults.file);
        add(self.images, reference, || part.path_of(file), line);
    }

    /// Whether the chart says that its appVersion stands for the empty tag of the image here.
    fn is_said(&self, steps: &[Step<'n>], node: &'n Node) -> bool {
        let value = format!("Values.{}", path(steps));
        let names = |line: &str| {
            line.match_indices(&value).any(|(at, _)| {
                let rest = &line[at + value.len()..];
                let rest = rest.strip_prefix(".tag").unwrap_or(rest);
                rest.chars().next().is_none_or(|char| !(char.is_ascii_alphanumeric() || "._".contains(char)))
            })
        };
        self.said_in.iter().any(|line| names(line)) || node.get("tag").is_some_and(|tag| self.comment_says(tag.line))
    }

    /// Whether the comment above this line, or on it, speaks of the appVersion.
    fn comment_says(&self, line: u32) -> bool {
        let at = (line as usize).saturating_sub(1);
        let speaks =
            |line: &str| line.split_once('#').is_some_and(|(_, comment)| comment.to_lowercase().contains("appversion"));
        let above = self.comments.get(..at).unwrap_or_default().iter().rev();
        let mut above = above.take_while(|line| line.trim_start().starts_with('#')).take(10);
        self.comments.get(at).is_some_and(|line| speaks(line)) || above.any(|line| speaks(line))
    }
}

/// The text of a field that has some.
fn text(entry: &Entry) -> Option<&str> {
    let scalar = entry.value.scalar()?;
    Some(scalar.text.as_str()).filter(|_| !scalar.is_empty())
}

/// Images that were added, removed, or have another tag or digest.
pub(super) fn compare(old: &Images, new: &Images) -> Changes<Image> {
    fn only<'i>(these: &'i Images, others: &Images) -> Vec<Named<'i>> {
        let all = these.iter().filter(|(reference, _)| !others.contains_key(*reference));
        all.map(|(reference, image)| (reference.as_str(), image)).collect()
    }
    let (mut gone, mut come) = (only(old, new), only(new, old));
    let mut pairs: Vec<(Option<Named<'_>>, Option<Named<'_>>)> = Vec::new();
    // The same repository first, then the same place.
    for same in [by_repository, by_place] {
        let (mut left, mut used) = (Vec::new(), BTreeSet::new());
        let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, image) in come.iter().enumerate().rev() {
            waiting.entry(same(image)).or_default().push(at);
        }
        for image in gone {
            match waiting.get_mut(&same(&image)).and_then(Vec::pop) {
                Some(at) => {
                    used.insert(at);
                    pairs.push((Some(image), come.get(at).copied()));
                }
                None => left.push(image),
            }
        }
        gone = left;
        come = come.into_iter().enumerate().filter(|(at, _)| !used.contains(at)).map(|(_, image)| image).collect();
    }
    pairs.extend(gone.into_iter().map(|image| (Some(image), None)));
    pairs.extend(come.into_iter().map(|image| (None, Some(image))));
    let reference = |image: &Option<Named<'_>>| image.map(|(reference, _)| reference.to_owned());
    pairs.sort_by_cached_key(|(old, new)| reference(new).or(reference(old)));
    let mut changes = Changes::default();
    for (old, new) in pairs {
        let (mut before, mut now) = (old.map(|(_, image)| image.clone()), new.map(|(_, image)| image.clone()));
        if let (Some((old, _)), Some((new, _)), Some(before), Some(now)) = (old, new, &mut before, &mut now) {
            // Where they are long, the part in which they differ.
            (before.reference, now.reference) = windows(old, new);
        }
        changes.push(before, now);
    }
    changes
}

fn by_repository((reference, _): &Named<'_>) -> String {
    repository(reference).to_owned()
}

fn by_place((_, image): &Named<'_>) -> String {
    format!("{}:{:?}", image.file, image.line)
}
