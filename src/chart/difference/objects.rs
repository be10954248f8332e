//! What templates and definitions make, compared by kind and name.
//!
//! Owns which objects are the same in both versions, and what of them deserves a second look.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::documents::{Documents, Line, Seen};
use super::fields::{PRINTS, first, indent, is_blank, is_literal, is_mark, is_no, key, pairs};
use super::kinds::What;
use super::{Change, Changes, Matter, Notice, Object, told, words};

/// How many words of a role that says more are told.
const TOLD: usize = 6;

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
        let (kind, name) = (told(self.kind), self.name.to_owned());
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
            if let Some(matter) = new.seen.kinds().filter_map(words::kind).min() {
                notices.push(new.notice(matter, &format!("{} {}", new.kind, new.name)));
            }
        }
        (Some(old), None) if old.seen.kinds().any(is_definition) => {
            notices.push(old.notice(Matter::CrdGone, &format!("{} {}", old.kind, old.name)));
        }
        (Some(old), Some(new)) if new.seen.kinds().any(is_definition) => versions_changed(old, new, notices),
        (Some(old), Some(new)) if new.seen.kinds().any(|kind| is_role(kind) || is_binding(kind)) => {
            let words = more_rules(&rules(&old.seen), &rules(&new.seen));
            if !words.is_empty() {
                notices.push(new.notice(Matter::Rules, &format!("{} {}: {}", new.kind, new.name, words.join(", "))));
            }
        }
        _ => {}
    }
}

fn is_definition(kind: &str) -> bool {
    words::kind(kind) == Some(Matter::Crd)
}

pub(super) fn is_role(kind: &str) -> bool {
    matches!(kind, "ClusterRole" | "Role")
}

pub(super) fn is_binding(kind: &str) -> bool {
    matches!(kind, "ClusterRoleBinding" | "RoleBinding")
}

/// A rule of a role, or what a binding binds: its words, each with the key that it stands under.
#[derive(Default)]
struct Rule<'d> {
    words: Vec<(&'d str, &'d str)>,
}

/// The key that makes a rule say less the more stands under it.
const NAMES: &str = "resourceNames";

impl Rule<'_> {
    fn names(&self) -> HashSet<&str> {
        self.words.iter().filter(|(key, _)| *key == NAMES).map(|(_, word)| *word).collect()
    }

    /// Whether another rule says all that this one says.
    fn is_within(&self, other: &Self) -> bool {
        let all: HashSet<_> = other.words.iter().collect();
        let (names, others) = (self.names(), other.names());
        let is_as_narrow = others.is_empty() || !names.is_empty() && names.is_subset(&others);
        is_as_narrow && self.words.iter().filter(|(key, _)| *key != NAMES).all(|word| all.contains(word))
    }
}

/// The rules of a role, or a binding's role and subjects. Lines that an action prints count as they are written.
fn rules<'d>(seen: &Seen<'d>) -> Vec<Rule<'d>> {
    let is_section = |line: &Line<'_>| {
        pairs(line.plain).any(|pair| ["rules", "roleRef", "subjects", "aggregationRule"].contains(&pair.key))
    };
    let (mut rules, mut key, mut dash) = (vec![Rule::default()], "", None);
    for line in seen.lines().skip_while(|line| !is_section(line)) {
        let bare = line.plain.trim_start_matches(is_blank);
        if bare.starts_with('-') {
            let right = indent(line.plain);
            if *dash.get_or_insert(right) == right {
                rules.push(Rule::default());
            }
        }
        if bare.starts_with(PRINTS) && !bare.contains(':') {
            rules.push(Rule { words: vec![("", line.written.trim())] });
            continue;
        }
        for pair in pairs(line.plain) {
            if !pair.key.is_empty() {
                // In brackets, one rule follows the other in a line.
                let begins_again = pair.depth > 1
                    && rules.last().is_some_and(|rule| rule.words.iter().any(|(key, _)| *key == pair.key));
                if begins_again {
                    rules.push(Rule::default());
                }
                key = pair.key;
            }
            let Some(last) = rules.last_mut().filter(|_| !pair.value.is_empty()) else { continue };
            last.words.push((key, if is_literal(pair.value) { pair.value } else { line.written.trim() }));
        }
    }
    rules.retain(|rule| !rule.words.is_empty());
    rules
}

/// The words of rules; those that name what a rule is narrowed to say nothing more.
fn words<'d>(rules: &[Rule<'d>]) -> Vec<&'d str> {
    let words = rules.iter().flat_map(|rule| &rule.words).filter(|(key, _)| *key != NAMES);
    words.map(|(_, word)| *word).collect()
}

/// What the new rules say more: words that are new or stand more often, else the rules that no old one covers.
fn more_rules(old: &[Rule<'_>], new: &[Rule<'_>]) -> Vec<String> {
    let more = more_words(&words(old), &words(new));
    if !more.is_empty() {
        return more;
    }
    let uncovered = new.iter().filter(|rule| !old.iter().any(|other| rule.is_within(other)));
    let words: Vec<String> = uncovered.flat_map(|rule| &rule.words).map(|(_, word)| told(word)).collect();
    let is_cut = words.len() > TOLD;
    words.into_iter().take(TOLD).chain(is_cut.then(|| "…".to_owned())).collect()
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
    let is_cut = words.len() > TOLD;
    words.into_iter().take(TOLD).map(told).chain(is_cut.then(|| "…".to_owned())).collect()
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
    let is_said = |line: &Line<'_>| {
        let line = line.plain.trim_start_matches(|char: char| char.is_whitespace() || is_mark(char));
        !(line.is_empty() || line.starts_with('#'))
    };
    let mut lines = seen.lines().filter(is_said);
    let Some(spec) = lines.by_ref().find(|line| key(line.plain, "spec").is_some()) else { return in_brackets(seen) };
    let spec = indent(spec.plain);
    let within = lines.take_while(|line| indent(line.plain) > spec);
    let mut within = within.skip_while(|line| key(line.plain, "versions").is_none()).peekable();
    let Some(head) = within.next().filter(|head| !head.plain.contains('[')) else { return in_brackets(seen) };
    let head = indent(head.plain);
    if !within.peek().is_some_and(|line| line.plain.trim_start_matches(is_blank).starts_with('-')) {
        return in_brackets(seen);
    }
    let mut list = within.take_while(|line| {
        let right = indent(line.plain);
        right > head || (right == head && line.plain.trim_start_matches(is_blank).starts_with('-'))
    });
    let mut versions = Versions::default();
    let mut dash = None;
    for line in list.by_ref() {
        let depth = indent(line.plain);
        let dash = *dash.get_or_insert(depth);
        let (depth, text) = match line.plain.trim_start_matches(is_blank).strip_prefix('-') {
            Some(rest) if depth == dash => {
                versions.begin(line.number);
                let rest_depth = depth + 1 + (rest.len() - rest.trim_start().len());
                (rest_depth, rest)
            }
            _ => (depth, line.plain),
        };
        // The fields of an item stand right of its dash; what is deeper belongs to them. In brackets all stand in a line.
        if text.trim_start().starts_with('{') {
            pairs(text)
                .filter(|pair| pair.depth == 1)
                .for_each(|pair| versions.field(pair.key, pair.value, line.number));
        } else if depth == dash + 2 {
            versions.field_of(text, line.number);
        }
    }
    versions.finish()
}

/// The versions of a definition that stands in brackets.
fn in_brackets(seen: &Seen<'_>) -> BTreeMap<String, u32> {
    let (mut versions, mut is_within) = (Versions::default(), false);
    for line in seen.lines() {
        for pair in pairs(line.plain) {
            match pair.key {
                "versions" => is_within = true,
                "name" if is_within => {
                    versions.begin(line.number);
                    versions.field("name", pair.value, line.number);
                }
                "served" if is_within => versions.field("served", pair.value, line.number),
                _ => {}
            }
        }
    }
    versions.finish()
}

/// The served versions while they are read.
#[derive(Default)]
struct Versions {
    served: BTreeMap<String, u32>,
    /// The one that is being read: its name, its line, whether it is served.
    item: Option<(String, u32, bool)>,
}

impl Versions {
    fn begin(&mut self, line: u32) {
        if let Some((name, line, true)) =
            self.item.replace((String::new(), line, true)).filter(|(name, ..)| !name.is_empty())
        {
            self.served.insert(name, line);
        }
    }

    fn field_of(&mut self, text: &str, line: u32) {
        if let Some((key, value)) = first(text) {
            self.field(key, value, line);
        }
    }

    fn field(&mut self, key: &str, value: &str, at: u32) {
        let Some((name, line, is_served)) = self.item.as_mut() else { return };
        match key {
            "name" if name.is_empty() => (*name, *line) = (told(value), at),
            "served" if is_no(value) => *is_served = false,
            _ => {}
        }
    }

    fn finish(mut self) -> BTreeMap<String, u32> {
        self.begin(0);
        self.served
    }
}
