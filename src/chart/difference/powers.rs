//! Lines that deserve a second look: rights on the node, rules for everything, hooks, and what templates may read.
//!
//! Told only where the old version had fewer of the same: the same thing, in the same object.

use std::collections::{HashMap, HashSet};

use super::documents::{Role, Seen, What, key, scalar};
use super::objects::{is_definition, is_role};
use super::values::{Leaf, at_line};
use super::{Matter, Notice, Read, told};

/// The most such lines that are looked at in one chart.
const POWER_LIMIT: usize = 50_000;
/// How far below `hostPath:` its path is looked for.
const NEAR: usize = 3;

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
        let what = if self.subject.is_empty() { self.what.clone() } else { format!("{}: {}", self.subject, self.what) };
        let file = super::super::quoted(&format!("{}{}", self.part, self.file));
        Notice { matter: self.matter, what: told(&what), file, line: at_line(self.line) }
    }
}

/// What the new version has more of.
pub(super) fn notices(old: &Read<'_>, new: &Read<'_>) -> Vec<Notice> {
    let (old, new) = (powers(old), powers(new));
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
    notices
}

fn powers<'d>(read: &'d Read<'_>) -> Vec<Power<'d>> {
    let (mut powers, mut makers) = (Vec::new(), HashSet::new());
    for seen in read.documents.all() {
        if seen.template.role != Role::Definition && !is_definition(seen.kind()) {
            of_document(seen, &mut powers, &mut makers);
        }
    }
    for defaults in &read.values {
        defaults.leaves(&mut |leaf| {
            if let Some(matter) = of_value(leaf) {
                let (part, file, line) = (defaults.part, defaults.file, leaf.line);
                powers.push(Power { part, file, line, matter, subject: String::new(), what: leaf.told() });
            }
            powers.len() < POWER_LIMIT
        });
    }
    powers
}

fn of_document<'d>(seen: Seen<'d>, powers: &mut Vec<Power<'d>>, makers: &mut HashSet<&'d str>) {
    let subject = match seen.what {
        What::Object { kind, name, .. } => format!("{kind} {name}"),
        What::Unread(_) | What::Nothing => String::new(),
    };
    let (mut rest, mut field) = (seen.text.lines(), "");
    for (line, text) in seen.lines() {
        rest.next();
        if powers.len() >= POWER_LIMIT {
            return;
        }
        let mut push = |matter, subject: &str, what: &str| {
            let (part, file, subject) = (seen.template.part, seen.template.file, subject.to_owned());
            powers.push(Power { part, file, line, matter, subject, what: told(what) });
        };
        if let Some((matter, what)) = of_line(text, rest.clone()) {
            push(matter, &subject, &what);
        }
        if is_role(seen.kind()) {
            field = field_of(text).unwrap_or(field);
            if is_wildcard(text) {
                push(Matter::Wildcard, &subject, &format!("{field}: *"));
            }
        }
        if let Some(what) = lookup(text) {
            push(Matter::Lookup, "", what);
        }
        // Once a chart makes templates of values, one more says nothing.
        if calls(text, "tpl") && makers.insert(seen.template.part) {
            push(Matter::Tpl, "", "");
        }
    }
}

/// What a line of a template asks of the node, or of Helm.
fn of_line<'t>(line: &'t str, below: impl Iterator<Item = &'t str>) -> Option<(Matter, String)> {
    let field = line.trim_start().trim_start_matches("- ");
    let has_braces = field.contains('{');
    for (name, matter) in [
        ("privileged", Matter::Privileged),
        ("allowPrivilegeEscalation", Matter::Privileged),
        ("hostNetwork", Matter::HostNamespace),
        ("hostPID", Matter::HostNamespace),
        ("hostIPC", Matter::HostNamespace),
    ] {
        if let Some(value) = key(field, name).filter(|value| is_yes(value)) {
            let value = scalar(value);
            return Some((matter, if value == "true" { name.to_owned() } else { format!("{name}: {value}") }));
        }
        // In a mapping in braces.
        if has_braces && ["", "\""].iter().any(|quote| field.contains(&format!("{quote}{name}{quote}: true"))) {
            return Some((matter, name.to_owned()));
        }
    }
    if let Some(value) = key(field, "helm.sh/hook") {
        return Some((Matter::Hook, scalar(value).to_owned()));
    }
    let inline = key(field, "hostPath")?;
    let path = if inline.is_empty() {
        let mut near = below.take(NEAR);
        near.find_map(|line| key(line, "path"))
    } else {
        inline.split_once("path:").map(|(_, path)| path.trim_end_matches('}'))
    };
    Some((Matter::HostPath, scalar(path.unwrap_or("…")).to_owned()))
}

/// Whether a value says yes, or may: only rendering tells what an action says.
fn is_yes(value: &str) -> bool {
    scalar(value) == "true" || value.contains("{{")
}

/// The field of a rule that begins in this line.
fn field_of(line: &str) -> Option<&str> {
    let (field, _) = line.trim_start().trim_start_matches("- ").split_once(':')?;
    (!field.is_empty() && field.chars().all(|char| char.is_ascii_alphabetic())).then_some(field)
}

/// Whether a line of a role has `*` as one of its words.
fn is_wildcard(line: &str) -> bool {
    !line.trim_start().starts_with('#') && line.split([' ', '\t', '[', ']', ',', '"', '\'']).any(|word| word == "*")
}

/// What a `lookup` of the cluster asks for.
fn lookup(line: &str) -> Option<&str> {
    if !calls(line, "lookup") {
        return None;
    }
    let (_, rest) = line.split_once("lookup ")?;
    Some(rest.split([')', '}', '|']).next().unwrap_or(rest).trim())
}

/// Whether an action in this line calls a function.
fn calls(line: &str, function: &str) -> bool {
    let Some((_, inside)) = line.split_once("{{") else { return false };
    let mut at = 0;
    while let Some(found) = inside[at..].find(function).map(|found| at + found) {
        let before = inside[..found].chars().next_back();
        let after = inside[found + function.len()..].chars().next();
        let begins = before.is_none_or(|char| char.is_whitespace() || "(-|".contains(char));
        if begins && after.is_some_and(char::is_whitespace) {
            return true;
        }
        at = found + function.len();
    }
    false
}

/// What a default value asks of the node.
fn of_value(leaf: &Leaf<'_>) -> Option<Matter> {
    let matter = match leaf.key() {
        "privileged" | "allowPrivilegeEscalation" => Matter::Privileged,
        "hostNetwork" | "hostPID" | "hostIPC" => Matter::HostNamespace,
        "path" if leaf.parent() == Some("hostPath") => return Some(Matter::HostPath),
        _ => return None,
    };
    (leaf.value == "true").then_some(matter)
}
