//! Lines that deserve a second look: rights on the node, rules for everything, hooks, and what templates may read.
//!
//! Told only where the old version had fewer of the same: the same thing, in the same object. A line that names such a thing
//! in any way is told unless it says no for sure.

use std::collections::{HashMap, HashSet};

use super::documents::{Line, Role, Seen, Template, What};
use super::fields::{Pair, is_literal, is_no, literally, mentions, pairs};
use super::objects::{is_binding, is_definition, is_role, matter};
use super::values::{Leaf, at_line};
use super::{Matter, Notice, Read, Unread, told};

/// The most such lines that are looked at in one chart.
const POWER_LIMIT: usize = 50_000;
/// How far below `hostPath:` its path is looked for.
const NEAR: usize = 3;
/// The most bytes of what a line says that tell it from another.
const WHAT_LIMIT: usize = 4096;
/// The annotation that has Helm run something at its own time.
const HOOK: &str = "helm.sh/hook";
/// What is looked for in templates and values, and in the texts of actions.
pub(super) const WORDS: [&str; 15] = [
    "privileged",
    "allowPrivilegeEscalation",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPath",
    HOOK,
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "APIService",
    "CustomResourceDefinition",
];

/// One such line.
struct Power<'d> {
    part: &'d str,
    file: &'d str,
    line: u32,
    matter: Matter,
    /// The object that it is part of; nothing where that is not known or does not matter.
    subject: String,
    /// What it says.
    what: String,
}

impl Power<'_> {
    fn identity(&self) -> (&str, Matter, &str, &str) {
        (self.part, self.matter, &self.subject, &self.what)
    }

    fn told(&self) -> Notice {
        let subject = if self.subject.is_empty() { String::new() } else { format!("{}: ", self.subject) };
        let file = super::super::quoted(&format!("{}{}", self.part, self.file));
        Notice { matter: self.matter, what: told(&format!("{subject}{}", self.what)), file, line: at_line(self.line) }
    }
}

/// What the new version has more of; and that not all of it was looked at, where there is too much.
pub(super) fn notices(old: &Read<'_>, new: &Read<'_>) -> (Vec<Notice>, Option<Unread>) {
    let (old, new) = (powers(old), powers(new));
    let too_much = (new.len() >= POWER_LIMIT).then(|| Unread {
        file: "templates".to_owned(),
        line: None,
        why: "more lines name rights than in any chart: not all were looked at".to_owned(),
    });
    let mut had: HashMap<_, usize> = HashMap::new();
    for power in &old {
        *had.entry(power.identity()).or_default() += 1;
    }
    let mut notices = Vec::new();
    for power in &new {
        match had.get_mut(&power.identity()) {
            Some(left) if *left > 0 => *left -= 1,
            _ => notices.push(power.told()),
        }
    }
    (notices, too_much)
}

fn powers<'d>(read: &'d Read<'_>) -> Vec<Power<'d>> {
    let (mut powers, mut makers) = (Vec::new(), HashSet::new());
    for seen in read.documents.all() {
        of_document(seen, &mut powers);
    }
    for template in read.documents.templates() {
        of_actions(template, &mut powers, &mut makers);
    }
    for defaults in &read.values {
        defaults.leaves(&mut |leaf| {
            let (part, file, line) = (defaults.part, defaults.file, leaf.line);
            if let Some(matter) = of_value(leaf) {
                powers.push(Power { part, file, line, matter, subject: String::new(), what: leaf.told() });
            } else if leaf.value.contains(':') {
                // Text that a template may print as it stands.
                let pairs = leaf.value.lines().flat_map(pairs).take(POWER_LIMIT.saturating_sub(powers.len()));
                // A kind that stands alone in a text is a word like any other.
                for pair in pairs.filter(|pair| !pair.key.is_empty() || matter(pair.value).is_none()) {
                    if let Some((matter, what)) = of_pair(&pair, || bounded(pair.value).to_owned()) {
                        powers.push(Power { part, file, line, matter, subject: leaf.path(), what });
                    }
                }
            }
            powers.len() < POWER_LIMIT
        });
    }
    powers
}

fn of_document<'d>(seen: Seen<'d>, powers: &mut Vec<Power<'d>>) {
    if seen.template.role == Role::Definition {
        return;
    }
    let subject = match seen.what {
        What::Object { kind, name, .. } => format!("{kind} {name}"),
        What::Unread(_) | What::Nothing => String::new(),
    };
    let defines = seen.kinds().next().is_some() && seen.kinds().all(is_definition);
    let (binds, rules) = (seen.kinds().any(is_binding), seen.kinds().any(is_role));
    let mut own: Vec<&str> = seen.kinds().collect();
    let (mut rest, mut field) = (seen.lines(), "");
    for line in seen.lines() {
        rest.next();
        for pair in pairs(line.plain) {
            if powers.len() >= POWER_LIMIT {
                return;
            }
            let mut push = |matter, what| {
                let (part, file, line, subject) =
                    (seen.template.part, seen.template.file, line.number, subject.clone());
                powers.push(Power { part, file, line, matter, subject, what });
            };
            if !pair.key.is_empty() {
                field = pair.key;
            }
            if rules && pair.value == "*" {
                push(Matter::Wildcard, format!("{field}: *"));
            }
            if let Some((found, what)) = of_pair(&pair, || said(&pair, line)) {
                let is_own = matches!(pair.key, "kind" | "")
                    && own.iter().position(|kind| *kind == pair.value).map(|at| own.remove(at)).is_some();
                let is_bound = binds && matches!(found, Matter::Role | Matter::ClusterRole);
                if is_own || is_bound || defines && found != Matter::Hook {
                    continue;
                }
                let what = if found == Matter::HostPath && pair.key == "hostPath" {
                    path_of(line, rest.clone())
                } else {
                    what
                };
                push(found, what);
            }
        }
    }
}

/// What a pair says where it names what deserves a second look; `said` is its value as it is written.
fn of_pair(pair: &Pair<'_>, said: impl FnOnce() -> String) -> Option<(Matter, String)> {
    let word = WORDS.into_iter().find(|word| mentions(pair.key, word) || mentions(pair.value, word))?;
    let (key, said) = (bounded(pair.key), said());
    let value = said.as_str();
    let what = match (word, pair.key) {
        (HOOK, HOOK) => value.to_owned(),
        (word, key) if is_right(word) && key == word => {
            if is_no(pair.value) {
                return None;
            }
            match value {
                "" => format!("{word}: …"),
                value if is_yes(value) => word.to_owned(),
                value => format!("{word}: {value}"),
            }
        }
        ("hostPath", "hostPath") => value.to_owned(),
        // A kind is one where it is called so, or where it stands alone, as in a list or below its key.
        (word, "kind" | "") if matter(word).is_some() => {
            if pair.value != word {
                return None;
            }
            format!("kind: {word}")
        }
        (word, _) if matter(word).is_some() => return None,
        (_, "") => literally(value),
        _ => literally(&format!("{key}: {value}")),
    };
    Some((matter_of(word), what))
}

/// Rights that a value grants or denies.
fn is_right(word: &str) -> bool {
    matches!(word, "privileged" | "allowPrivilegeEscalation" | "hostNetwork" | "hostPID" | "hostIPC")
}

fn matter_of(word: &str) -> Matter {
    match word {
        "privileged" | "allowPrivilegeEscalation" => Matter::Privileged,
        "hostNetwork" | "hostPID" | "hostIPC" => Matter::HostNamespace,
        HOOK => Matter::Hook,
        word => matter(word).unwrap_or(Matter::HostPath),
    }
}

fn is_yes(value: &str) -> bool {
    ["true", "yes", "on", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The value as it is written: with its actions.
fn said<'d>(pair: &Pair<'d>, line: Line<'d>) -> String {
    if is_literal(pair.value) {
        return bounded(pair.value).to_owned();
    }
    match line.written.split_once(pair.key).filter(|_| !pair.key.is_empty()) {
        Some((_, said)) => bounded(said.trim_start_matches(['"', '\'', ' ', ':']).trim_end()).to_owned(),
        None => bounded(line.written.trim()).to_owned(),
    }
}

/// The path of a `hostPath` in this line: behind it or below.
fn path_of<'d>(line: Line<'d>, below: impl Iterator<Item = Line<'d>>) -> String {
    let mut in_line = pairs(line.plain).skip_while(|pair| pair.key != "hostPath");
    let own = in_line.next().filter(|pair| !pair.value.is_empty());
    let in_line = in_line.find(|pair| pair.key == "path").map(|pair| said(&pair, line));
    let own = own.map(|pair| said(&pair, line));
    let below = || {
        let mut near = below.take(NEAR).flat_map(|line| pairs(line.plain).map(move |pair| (pair, line)));
        near.find(|(pair, _)| pair.key == "path").map(|(pair, line)| said(&pair, line))
    };
    own.or(in_line).or_else(below).unwrap_or_else(|| "…".to_owned())
}

/// What the actions of a template ask for and say.
fn of_actions<'d>(template: &'d Template<'d>, powers: &mut Vec<Power<'d>>, makers: &mut HashSet<&'d str>) {
    let facts = template.facts();
    let mut push = |line, matter, what: &str| {
        if powers.len() < POWER_LIMIT {
            let (part, file, what) = (template.part, template.file, bounded(what).to_owned());
            powers.push(Power { part, file, line, matter, subject: String::new(), what });
        }
    };
    for (line, asked) in &facts.lookups {
        push(*line, Matter::Lookup, asked);
    }
    for (line, text) in &facts.says {
        if let Some(word) = WORDS.into_iter().find(|word| mentions(text, word)) {
            push(*line, matter_of(word), text);
        }
    }
    // Once a chart makes templates of values, one more says nothing.
    if let Some(line) = facts.tpl.filter(|_| makers.insert(template.part)) {
        push(line, Matter::Tpl, "");
    }
}

/// What a default value asks of the node or of Helm.
fn of_value(leaf: &Leaf<'_>) -> Option<Matter> {
    let is_path = leaf.key() == "path" && leaf.parent() == Some("hostPath");
    let matter = match leaf.key() {
        "kind" => return matter(leaf.value),
        "hostPath" => Matter::HostPath,
        _ if is_path => Matter::HostPath,
        key if is_right(key) || key == HOOK => matter_of(key),
        _ => return None,
    };
    (!is_no(leaf.value) && !leaf.value.is_empty()).then_some(matter)
}

/// The beginning of a text that may be long.
fn bounded(text: &str) -> &str {
    let mut end = text.len().min(WHAT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
