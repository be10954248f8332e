//! What templates and definitions make, compared by kind and name.
//!
//! Owns which objects are the same in both versions, and what of them deserves a second look.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::documents::{Documents, Seen, What, key, scalar};
use super::{Change, Changes, Matter, Notice, Object, told};

/// How many words of a role that says more are told.
const WORDS: usize = 6;

/// What an object is known by: part, kind, name.
type Identity<'d> = (&'d str, &'d str, &'d str);

/// An object of either version.
#[derive(Clone, Copy)]
struct Made<'d> {
    seen: Seen<'d>,
    kind: &'d str,
    name: &'d str,
    line: u32,
}

impl Made<'_> {
    fn told(&self) -> Object {
        let (kind, name) = (self.kind.to_owned(), self.name.to_owned());
        Object { kind, name, file: self.seen.template.path(), line: self.line }
    }

    fn notice(&self, matter: Matter, what: &str) -> Notice {
        Notice { matter, what: told(what), file: self.seen.template.path(), line: Some(self.line) }
    }
}

/// Objects that are new, gone or another; notices about them are added.
pub(super) fn compare(old: &Documents<'_>, new: &Documents<'_>, notices: &mut Vec<Notice>) -> Changes<Object> {
    let mut groups: BTreeMap<Identity<'_>, (Vec<Made<'_>>, Vec<Made<'_>>)> = BTreeMap::new();
    for made in objects(old) {
        groups.entry(made.0).or_default().0.push(made.1);
    }
    for made in objects(new) {
        groups.entry(made.0).or_default().1.push(made.1);
    }
    let mut pairs = Vec::new();
    for (old, new) in groups.into_values() {
        match_up(old, new, &mut pairs);
    }
    pairs.sort_by(|one, other| place(one).cmp(&place(other)));
    let mut changes = Changes::default();
    for (old, new) in &pairs {
        changes.push_with(old.is_some(), new.is_some(), || Change {
            old: old.map(|made| made.told()),
            new: new.map(|made| made.told()),
        });
        look(old.as_ref(), new.as_ref(), notices);
    }
    changes
}

/// Where a change stands: in the new version, or where it stood.
fn place<'d>((old, new): &Pair<'d>) -> Option<(&'d str, &'d str, u32, bool)> {
    let made = new.as_ref().or(old.as_ref())?;
    Some((made.seen.template.part, made.seen.template.file, made.line, new.is_some()))
}

fn objects<'d>(documents: &'d Documents<'_>) -> impl Iterator<Item = (Identity<'d>, Made<'d>)> {
    documents.all().filter_map(|seen| {
        let What::Object { kind, name, line } = seen.what else { return None };
        Some(((seen.template.part, kind.as_str(), name.as_str()), Made { seen, kind, name, line: *line }))
    })
}

type Pair<'d> = (Option<Made<'d>>, Option<Made<'d>>);

/// Matches objects of one identity: those that say the same first, then those of the same file, then in order.
fn match_up<'d>(old: Vec<Made<'d>>, new: Vec<Made<'d>>, pairs: &mut Vec<Pair<'d>>) {
    let (old, new) = without_equals(old, new, |made| made.seen.text.trim(), |_, _| {});
    let (old, new) =
        without_equals(old, new, |made| made.seen.template.file, |old, new| pairs.push((Some(old), Some(new))));
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    loop {
        match (old.next(), new.next()) {
            (None, None) => break,
            pair => pairs.push(pair),
        }
    }
}

/// Takes out what has an equal on the other side, in order, and hands each such pair over.
fn without_equals<'d>(
    old: Vec<Made<'d>>,
    new: Vec<Made<'d>>,
    by: impl Fn(&Made<'d>) -> &'d str,
    mut equal: impl FnMut(Made<'d>, Made<'d>),
) -> (Vec<Made<'d>>, Vec<Made<'d>>) {
    let mut waiting: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (at, made) in old.iter().enumerate() {
        waiting.entry(by(made)).or_default().push_back(at);
    }
    let mut is_taken = vec![false; old.len()];
    let mut rest = Vec::new();
    for made in new {
        match waiting.get_mut(by(&made)).and_then(VecDeque::pop_front) {
            Some(at) => {
                is_taken[at] = true;
                equal(old[at], made);
            }
            None => rest.push(made),
        }
    }
    let old = old.into_iter().zip(is_taken).filter(|(_, taken)| !taken).map(|(made, _)| made).collect();
    (old, rest)
}

/// What of a change deserves a second look.
fn look(old: Option<&Made<'_>>, new: Option<&Made<'_>>, notices: &mut Vec<Notice>) {
    match (old, new) {
        (None, Some(new)) => {
            if let Some(matter) = matter(new.kind) {
                notices.push(new.notice(matter, &format!("{} {}", new.kind, new.name)));
            }
        }
        (Some(old), None) if is_definition(old.kind) => {
            notices.push(old.notice(Matter::CrdGone, &format!("{} {}", old.kind, old.name)));
        }
        (Some(old), Some(new)) if is_definition(new.kind) => versions_changed(old, new, notices),
        (Some(old), Some(new)) if has_rules(new.kind) => {
            let words = more_words(&rules(&old.seen), &rules(&new.seen));
            if !words.is_empty() {
                notices.push(new.notice(Matter::Rules, &format!("{} {}: {}", new.kind, new.name, words.join(", "))));
            }
        }
        _ => {}
    }
}

/// Why a new object of this kind deserves a second look, if it does.
fn matter(kind: &str) -> Option<Matter> {
    Some(match kind {
        "ClusterRole" => Matter::ClusterRole,
        "ClusterRoleBinding" => Matter::ClusterRoleBinding,
        "Role" => Matter::Role,
        "RoleBinding" => Matter::RoleBinding,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" | "APIService" => Matter::Webhook,
        "CustomResourceDefinition" => Matter::Crd,
        _ => return None,
    })
}

pub(super) fn is_definition(kind: &str) -> bool {
    kind == "CustomResourceDefinition"
}

pub(super) fn is_role(kind: &str) -> bool {
    matches!(kind, "ClusterRole" | "Role")
}

fn has_rules(kind: &str) -> bool {
    is_role(kind) || matches!(kind, "ClusterRoleBinding" | "RoleBinding")
}

/// The words of a role's rules, or of a binding's role and subjects. Lines with actions count as they stand.
fn rules<'d>(seen: &Seen<'d>) -> Vec<&'d str> {
    let lines = seen.lines().map(|(_, line)| line).skip_while(|line| {
        !["rules", "roleRef", "subjects", "aggregationRule"].iter().any(|section| key(line, section).is_some())
    });
    let is_said = |line: &&str| !line.trim_start().starts_with(['#', '{']);
    let lines = lines.filter(is_said);
    lines.flat_map(words).collect()
}

fn words(line: &str) -> Vec<&str> {
    if line.contains("{{") {
        return vec![line.trim()];
    }
    let parts = line.split(|char: char| char.is_whitespace() || "[]{},\"'".contains(char));
    parts.filter(|word| !word.is_empty() && *word != "-" && !word.ends_with(':')).collect()
}

/// Words that are new in the new text, else those that stand more often there, in its order, each once.
fn more_words(old: &[&str], new: &[&str]) -> Vec<String> {
    let mut had: HashMap<&str, usize> = HashMap::new();
    for word in old {
        *had.entry(word).or_default() += 1;
    }
    let mut told_already = HashSet::new();
    let unknown: Vec<&str> =
        new.iter().filter(|word| !had.contains_key(*word) && told_already.insert(**word)).copied().collect();
    let mut more = Vec::new();
    for word in new {
        match had.get_mut(word) {
            Some(left) if *left > 0 => *left -= 1,
            _ if told_already.insert(word) => more.push(*word),
            _ => {}
        }
    }
    let words = if unknown.is_empty() { more } else { unknown };
    let is_cut = words.len() > WORDS;
    words.into_iter().take(WORDS).map(told).chain(is_cut.then(|| "…".to_owned())).collect()
}

fn versions_changed(old: &Made<'_>, new: &Made<'_>, notices: &mut Vec<Notice>) {
    let (before, now) = (served_versions(&old.seen), served_versions(&new.seen));
    for (version, line) in &now {
        if !before.contains_key(version) {
            let notice = new.notice(Matter::CrdVersion, &format!("{}: {version}", new.name));
            notices.push(Notice { line: Some(*line), ..notice });
        }
    }
    for (version, line) in &before {
        if !now.contains_key(version) {
            let notice = old.notice(Matter::CrdVersionGone, &format!("{}: {version}", old.name));
            notices.push(Notice { line: Some(*line), ..notice });
        }
    }
}

/// The versions of a definition that are served, with their lines: the list `versions` below `spec`, as it stands.
fn served_versions(seen: &Seen<'_>) -> BTreeMap<String, u32> {
    let mut lines = seen.lines().filter(|(_, line)| {
        let line = line.trim_start();
        !(line.is_empty() || line.starts_with('#') || line.starts_with("{{"))
    });
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut versions = BTreeMap::new();
    let Some((_, spec)) = lines.by_ref().find(|(_, line)| key(line, "spec").is_some()) else { return versions };
    let spec = indent(spec);
    let within = lines.take_while(|(_, line)| indent(line) > spec);
    let mut within = within.skip_while(|(_, line)| key(line, "versions").is_none());
    let Some((_, head)) = within.next() else { return versions };
    let head = indent(head);
    let mut list = within
        .take_while(|(_, line)| indent(line) > head || (indent(line) == head && line.trim_start().starts_with('-')));
    let mut item: Option<(String, u32, bool)> = None;
    let mut keep = |item: Option<(String, u32, bool)>| {
        if let Some((name, line, true)) = item.filter(|(name, ..)| !name.is_empty()) {
            versions.insert(name, line);
        }
    };
    let mut dash = None;
    for (number, line) in list.by_ref() {
        let depth = indent(line);
        let dash = *dash.get_or_insert(depth);
        let (depth, text) = match line.trim_start().strip_prefix('-') {
            Some(rest) if depth == dash => {
                keep(item.replace((String::new(), number, true)));
                let rest_depth = depth + 1 + (rest.len() - rest.trim_start().len());
                (rest_depth, rest)
            }
            _ => (depth, line),
        };
        let Some((name, line, is_served)) = item.as_mut() else { continue };
        // The fields of an item stand right of its dash; what is deeper belongs to them.
        if depth > dash + 4 {
            continue;
        }
        if let Some(value) = key(text, "name").filter(|_| name.is_empty() && depth == dash + 2) {
            (*name, *line) = (told(scalar(value)), number);
        }
        if key(text, "served").is_some_and(|value| scalar(value) == "false") && depth == dash + 2 {
            *is_served = false;
        }
    }
    keep(item);
    versions
}
