//! Lines that deserve a second look: rights on the node, rules for everything, hooks, and what templates may read.
//!
//! Told only where the old version had fewer of the same: the same thing, in the same object. A line that names such a thing
//! in any way is told unless it says no for sure. One that stands under other conditions than before is told as not read.

use std::collections::{HashMap, HashSet};

use super::conditions::{Chains, Conditions};
use super::documents::{Line, Lines, Seen, Template};
use super::fields::{NO_TEXT, Pair, indent, is_blank, is_literal, is_mark, is_yes, literally, open_brackets, pairs};
use super::joints::is_alone;
use super::kinds::What;
use super::objects::{is_binding, is_role};
use super::templates::LINE_LIMIT;
use super::values::{Leaf, at_line};
use super::words::{HOOK, denies, is_right, kind, matter_of, may_be_capability, mentioned};
use super::{Matter, Notice, Read, Unread, told};

/// The most such lines that are looked at in one chart.
const POWER_LIMIT: usize = 50_000;
/// How many lines below `hostPath:`, or values behind it, are looked at for its path.
const PATH_LIMIT: usize = 64;
/// The most bytes of what a line says that tell it from another.
const WHAT_LIMIT: usize = 4096;

/// One such line, or the kind of an object that deserves that look itself.
struct Power<'d> {
    part: &'d str,
    file: &'d str,
    line: u32,
    matter: Matter,
    /// The object that it is part of; nothing where that is not known or does not matter.
    subject: String,
    /// What it says; none of an object.
    what: Option<String>,
    /// All that its document says, where that alone tells it from another.
    within: &'d str,
    /// The conditions that it stands under, and the line where they begin.
    under: (usize, u32),
}

impl Power<'_> {
    fn identity(&self) -> (&str, Matter, &str, Option<&str>, &str) {
        (self.part, self.matter, &self.subject, self.what.as_deref(), self.within)
    }

    fn path(&self) -> String {
        super::super::quoted(&format!("{}{}", self.part, self.file))
    }

    /// As it is told, unless that is told with its object.
    fn told(&self) -> Option<Notice> {
        let what = self.what.as_ref()?;
        let subject = if self.subject.is_empty() { String::new() } else { format!("{}: ", self.subject) };
        let (matter, line) = (self.matter, at_line(self.line));
        Some(Notice { matter, what: told(&format!("{subject}{what}")), file: self.path(), line })
    }
}

/// What the new version has more of; and what of it cannot be told.
pub(super) fn notices(old: &Read<'_>, new: &Read<'_>) -> (Vec<Notice>, Vec<Unread>) {
    let mut chains = Chains::default();
    let (old, new) = (powers(old, &mut chains), powers(new, &mut chains));
    let (mut had, mut had_under): (HashMap<_, usize>, HashMap<_, usize>) = (HashMap::new(), HashMap::new());
    for power in &old {
        *had.entry(power.identity()).or_default() += 1;
        *had_under.entry((power.identity(), power.under.0)).or_default() += 1;
    }
    let (mut notices, mut unread) = (Vec::new(), Vec::new());
    let take = |is_known: Option<&mut usize>| match is_known {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    for power in &new {
        let is_same = take(had_under.get_mut(&(power.identity(), power.under.0)));
        if !take(had.get_mut(&power.identity())) {
            notices.extend(power.told());
        } else if !is_same {
            let why = "what deserves a second look stands under another condition here: whether it is made shows only when it is rendered";
            let line = at_line(if power.under.1 > 0 { power.under.1 } else { power.line });
            unread.push(Unread { file: power.path(), line, why: why.to_owned() });
        }
    }
    if new.len() >= POWER_LIMIT {
        let why = "more lines name rights than in any chart: not all were looked at".to_owned();
        unread.push(Unread { file: "templates".to_owned(), line: None, why });
    }
    (notices, unread)
}

fn powers<'d>(read: &'d Read<'_>, chains: &mut Chains<'d>) -> Vec<Power<'d>> {
    let (mut powers, mut makers) = (Vec::new(), HashSet::new());
    let mut at: Option<(&Template<'_>, Conditions)> = None;
    for seen in read.documents.all() {
        let conditions = match at.take() {
            Some((template, conditions)) if std::ptr::eq(template, seen.template) => conditions,
            _ => Conditions::of(seen.template, chains),
        };
        of_document(seen, &conditions, &mut powers);
        at = Some((seen.template, conditions));
    }
    for template in read.documents.templates() {
        of_actions(template, &mut powers, &mut makers);
    }
    for defaults in &read.values {
        defaults.leaves(&mut |leaf| {
            let (part, file, line, under) = (defaults.part, defaults.file, leaf.line, (0, 0));
            if let Some(matter) = of_value(leaf) {
                powers.push(Power {
                    part,
                    file,
                    line,
                    matter,
                    subject: String::new(),
                    what: Some(leaf.told()),
                    within: "",
                    under,
                });
            } else if leaf.value.contains(':') {
                // Text that a template may print as it stands.
                let pairs = leaf.value.lines().flat_map(pairs).take(POWER_LIMIT.saturating_sub(powers.len()));
                // A kind that stands alone in a text is a word like any other.
                for pair in pairs.filter(|pair| !pair.key.is_empty() || kind(pair.value).is_none()) {
                    if let Some((matter, what)) = of_pair(&pair, || bounded(pair.value, WHAT_LIMIT).to_owned()) {
                        powers.push(Power {
                            part,
                            file,
                            line,
                            matter,
                            subject: leaf.path(),
                            what: Some(what),
                            within: "",
                            under,
                        });
                    }
                }
            }
            powers.len() < POWER_LIMIT
        });
    }
    powers
}

fn of_document<'d>(seen: Seen<'d>, conditions: &Conditions, powers: &mut Vec<Power<'d>>) {
    let (part, file) = (seen.template.part, seen.template.file);
    let mut subject = String::new();
    if let What::Object { kind, name, line } = seen.what {
        subject = told(&format!("{kind} {name}"));
        if let Some(matter) = seen.kinds().filter_map(super::words::kind).min() {
            let under = conditions.at(*line);
            powers.push(Power {
                part,
                file,
                line: *line,
                matter,
                subject: subject.clone(),
                what: None,
                within: "",
                under,
            });
        }
    }
    let defines = seen.is_definition();
    let (binds, rules) = (seen.kinds().any(is_binding), seen.kinds().any(is_role));
    let mut own: Vec<&str> = seen.kinds().collect();
    let (mut lines, mut field, mut whole) = (seen.lines(), "", seen.text);
    while let Some(line) = lines.next() {
        // What is longer and names such a thing is told as not read.
        if line.plain.len() > LINE_LIMIT {
            continue;
        }
        let opened = if line.plain.contains("hostPath") { open_brackets(line.plain) } else { 0 };
        let mut rest = pairs(line.plain);
        while let Some(pair) = rest.next() {
            if powers.len() >= POWER_LIMIT {
                return;
            }
            let mut push = |matter, what, within| {
                let (line, subject, under) = (line.number, subject.clone(), conditions.at(line.number));
                powers.push(Power { part, file, line, matter, subject, what: Some(what), within, under });
            };
            if !pair.key.is_empty() {
                field = pair.key;
            }
            if rules && pair.value == "*" {
                push(Matter::Wildcard, format!("{field}: *"), "");
            }
            if let Some((found, what)) = of_pair(&pair, || said(&pair, line)) {
                let is_own = matches!(pair.key, "kind" | "")
                    && own.iter().position(|kind| *kind == pair.value).map(|at| own.remove(at)).is_some();
                let is_bound = binds && matches!(found, Matter::Role | Matter::ClusterRole);
                if is_own || is_bound || defines && found != Matter::Hook {
                    continue;
                }
                if found == Matter::HostPath && pair.key == "hostPath" {
                    match path_of(&pair, rest.clone(), line, lines.clone(), opened) {
                        Some(path) => push(found, path, ""),
                        // Of one document once: it is compared as a whole then.
                        None => push(found, "…".to_owned(), std::mem::take(&mut whole)),
                    }
                } else {
                    push(found, what, "");
                }
            } else if !defines && may_be_capability(field, pair.value) {
                push(Matter::Privileged, format!("add: {}", said(&pair, line)), "");
            }
        }
    }
}

/// What a pair says where it names what deserves a second look; `said` is its value as it is written.
fn of_pair(pair: &Pair<'_>, said: impl FnOnce() -> String) -> Option<(Matter, String)> {
    let word = mentioned(pair.key).or_else(|| mentioned(pair.value))?;
    let (key, said) = (bounded(pair.key, WHAT_LIMIT), said());
    let value = said.as_str();
    let what = match (word, pair.key) {
        (HOOK, HOOK) => value.to_owned(),
        (word, key) if is_right(word) && key == word => {
            if denies(word, pair.value) {
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
        (word, "kind" | "") if kind(word).is_some() => {
            if pair.value != word {
                return None;
            }
            format!("kind: {word}")
        }
        (word, _) if kind(word).is_some() => return None,
        (_, "") => literally(value),
        _ => literally(&format!("{key}: {value}")),
    };
    Some((matter_of(word), what))
}

/// The value as it is written: with its actions.
fn said(pair: &Pair<'_>, line: Line<'_>) -> String {
    if is_literal(pair.value) {
        return bounded(pair.value, WHAT_LIMIT).to_owned();
    }
    let written = bounded(line.written, LINE_LIMIT);
    let said = match written.split_once(pair.key).filter(|_| !pair.key.is_empty()) {
        Some((_, said)) => said.trim_start_matches(['"', '\'', ' ', ':']),
        None => written,
    };
    bounded(said, WHAT_LIMIT).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path of the `hostPath` whose value begins here: in its brackets, or in the lines below that belong to it. Where that is
/// not one path for sure, all that stands there; none where that is too much. `opened` are the brackets that stay open in the line.
fn path_of<'d>(
    own: &Pair<'d>,
    behind: impl Iterator<Item = Pair<'d>>,
    line: Line<'d>,
    below: Lines<'d>,
    opened: usize,
) -> Option<String> {
    if !own.value.is_empty() {
        return Some(said(own, line));
    }
    let place = |text: &str| (text.as_ptr() as usize).saturating_sub(line.plain.as_ptr() as usize);
    let is_in_brackets = line.plain.get(place(own.value)..).is_some_and(|value| value.starts_with(['{', '[']));
    let mut is_sure = opened == 0 && (is_in_brackets || own.depth == 0);
    let within = behind.take(PATH_LIMIT).take_while(|pair| pair.depth > own.depth);
    let mut found: Vec<(Pair<'d>, Line<'d>)> = within.map(|pair| (pair, line)).collect();
    let mut looked_at = 0;
    if !(is_in_brackets && is_sure) {
        let before = line.plain.get(..place(own.key)).unwrap_or_default().trim_end_matches(['"', '\'']);
        let column = before.chars().filter(|char| !NO_TEXT.contains(char)).count();
        let is_below = |line: &Line<'_>| {
            line.plain.trim_start_matches(is_blank).is_empty() || is_alone(line.plain) || indent(line.plain) > column
        };
        // In brackets a line may begin anywhere.
        for line in below {
            looked_at += line.plain.len();
            if looked_at > WHAT_LIMIT || is_sure && !is_below(&line) {
                break;
            }
            is_sure &= open_brackets(line.plain) == 0;
            found.extend(pairs(line.plain).map(|pair| (pair, line)));
        }
    }
    if looked_at > WHAT_LIMIT || found.len() >= PATH_LIMIT {
        return None;
    }
    // What is printed from values is looked at there.
    is_sure &= found.iter().all(|(pair, _)| !pair.key.is_empty() || pair.value.chars().all(is_mark));
    let paths: Vec<_> = found.iter().filter(|(pair, _)| pair.key == "path").collect();
    Some(match paths.as_slice() {
        [(path, line)] if is_sure && !path.value.is_empty() => said(path, *line),
        _ if found.is_empty() => "…".to_owned(),
        _ => {
            let all = found.iter().map(|(pair, line)| match pair.key {
                "" => said(pair, *line),
                key => format!("{}: {}", literally(key), said(pair, *line)),
            });
            all.collect::<Vec<_>>().join(", ")
        }
    })
}

/// What the actions of a template ask for and say.
fn of_actions<'d>(template: &'d Template<'d>, powers: &mut Vec<Power<'d>>, makers: &mut HashSet<&'d str>) {
    let facts = template.facts();
    let mut push = |line, matter, what: &str| {
        if powers.len() < POWER_LIMIT {
            let (part, file, subject) = (template.part, template.file, String::new());
            let what = Some(bounded(what, WHAT_LIMIT).to_owned());
            powers.push(Power { part, file, line, matter, subject, what, within: "", under: (0, 0) });
        }
    };
    for (line, asked) in &facts.lookups {
        push(*line, Matter::Lookup, asked);
    }
    for (line, text) in &facts.says {
        if let Some(word) = mentioned(text) {
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
        "kind" => return kind(leaf.value),
        "hostPath" => Matter::HostPath,
        _ if is_path => Matter::HostPath,
        key if is_right(key) || key == HOOK => matter_of(key),
        "" if leaf.parent().is_some_and(|list| may_be_capability(list, leaf.value)) => Matter::Privileged,
        _ => matter_of(mentioned(leaf.value).filter(|word| *word == leaf.value && kind(word).is_none())?),
    };
    (!denies(leaf.key(), leaf.value) && !leaf.value.is_empty()).then_some(matter)
}

/// The beginning of a text that may be long.
fn bounded(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
