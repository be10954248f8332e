//! What the functions of an action may hide.
//!
//! Owns the functions that are known to be harmless: with any other, nobody sees any more what is printed. Every text that is
//! printed stands in a template, in values or in a file, each of which is looked at, and so is what may be a piece of a word.

use std::collections::HashSet;

use super::actions::{Action, Call, Operand, Token};
use super::words::{ends_key, is_beginning, is_end};

/// Functions whose first text is only compared, or is told to whoever installs the chart.
const COMPARING: [&str; 8] =
    ["fail", "required", "contains", "hasPrefix", "hasSuffix", "regexMatch", "splitList", "semverCompare"];
/// Functions that hand on what values, files and named templates say, choose of it, or ask about it.
const HANDING_ON: [&str; 72] = [
    "and",
    "any",
    "append",
    "block",
    "coalesce",
    "compact",
    "concat",
    "contains",
    "deepCopy",
    "default",
    "dict",
    "empty",
    "eq",
    "fail",
    "false",
    "first",
    "ge",
    "get",
    "gt",
    "has",
    "hasKey",
    "hasPrefix",
    "hasSuffix",
    "include",
    "indent",
    "index",
    "initial",
    "keys",
    "kindIs",
    "kindOf",
    "last",
    "le",
    "list",
    "lookup",
    "lt",
    "merge",
    "mergeOverwrite",
    "mustMerge",
    "mustMergeOverwrite",
    "ne",
    "nil",
    "nindent",
    "not",
    "omit",
    "or",
    "pick",
    "pluck",
    "prepend",
    "quote",
    "regexMatch",
    "required",
    "rest",
    "semverCompare",
    "set",
    "sortAlpha",
    "squote",
    "template",
    "ternary",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "toString",
    "toYaml",
    "tpl",
    "trim",
    "trimSuffix",
    "true",
    "trunc",
    "tuple",
    "typeIs",
    "uniq",
    "values",
];
/// Functions that put texts together.
const JOINING: [&str; 4] = ["cat", "join", "print", "printf"];
/// Functions that print what nobody can choose: numbers, digests, chance.
const SEALING: [&str; 29] = [
    "add",
    "add1",
    "adler32sum",
    "b64enc",
    "ceil",
    "div",
    "float64",
    "floor",
    "genCA",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSignedCert",
    "int",
    "int64",
    "len",
    "max",
    "min",
    "mod",
    "mul",
    "randAlpha",
    "randAlphaNum",
    "randNumeric",
    "round",
    "sha1sum",
    "sha256sum",
    "sub",
    "until",
    "untilStep",
    "uuidv4",
];
/// Functions that make nothing more of what such a one prints.
const KEEPING: [&str; 6] = ["indent", "nindent", "quote", "squote", "toString", "trunc"];
/// Words that are no functions.
const KEYWORDS: [&str; 11] =
    ["if", "else", "end", "with", "range", "define", "block", "template", "break", "continue", "nil"];
/// What ends a line for YAML.
pub(super) const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// What an action makes of the texts that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    /// Nothing of them: what it prints, nobody chooses.
    Nothing,
    /// It hands them on.
    Same,
    /// It puts them together, for a line of its own.
    Joined,
    /// Something else.
    Other,
}

/// What an action makes.
pub(super) fn makes(action: &Action<'_>) -> Makes {
    let calls = action.calls();
    let is_known = |word: &str| HANDING_ON.contains(&word) || JOINING.contains(&word) || KEYWORDS.contains(&word);
    let decisive = calls.outer.iter().rev().find(|function| !KEEPING.contains(function));
    if decisive.is_some_and(|function| SEALING.contains(function)) {
        return Makes::Nothing;
    }
    let has = |some: &[&str]| action.words().any(|word| some.contains(&word));
    let (joins, gives) = (has(&JOINING), has(&["include", "template", "block"]));
    let is_strange = action.words().any(|word| !is_known(word) && !SEALING.contains(&word)) && !is_about_itself(action);
    let is_template = has(&["tpl"]) && texts(action).any(|text| text.contains('{'));
    if is_strange
        || is_template
        || calls.all.iter().any(hides)
        || makes_lines(action)
        || joins && splits(action, &calls.all, gives)
    {
        return Makes::Other;
    }
    // A named template prints what it is given, and is told itself where it is new.
    if joins && !gives { Makes::Joined } else { Makes::Same }
}

fn texts<'a>(action: &'a Action<'_>) -> impl Iterator<Item = &'a str> {
    action.tokens.iter().filter_map(|token| if let Token::Text(text) = token { Some(text.as_str()) } else { None })
}

/// Whether a function that is harmless mostly is not so with what it is given here.
fn hides(call: &Call<'_, '_>) -> bool {
    let is_text = |operand: &Operand<'_, '_>| matches!(operand.token, Token::Text(_));
    let token = |at: usize| call.operands.get(at).map(|operand| operand.token);
    match call.function {
        // Their keys become keys of YAML.
        "dict" => !call.operands.len().is_multiple_of(2) || !call.operands.iter().step_by(2).all(is_text),
        "set" => !matches!(token(1), Some(Token::Text(_))),
        // What is asked for by a name that is made up may be files, or Chart.yaml.
        "index" | "get" => match (call.operands.first(), token(1)) {
            (_, Some(Token::Text(_) | Token::Number)) => false,
            (Some(of), Some(Token::Field(_))) => {
                !of.goes_on && matches!(of.token, Token::Field(name) if *name == "." || name.starts_with('$'))
            }
            _ => true,
        },
        "pluck" => !matches!(token(0), Some(Token::Text(_))),
        // From the end it cuts away what stands before a word.
        "trunc" => token(0) != Some(&Token::Number),
        "trimSuffix" => !matches!(token(0), Some(Token::Text(text)) if !text.contains(char::is_alphanumeric)),
        "printf" => !matches!(token(0), Some(Token::Text(format)) if prints_as_it_is(format)),
        _ => false,
    }
}

/// Whether all verbs of a format print what they are given as it stands.
fn prints_as_it_is(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let Some(verb) = after.chars().next().filter(|verb| "sdvqtf%0".contains(*verb)) else { return false };
        rest = &after[verb.len_utf8()..];
    }
    true
}

/// Whether it makes a name or a version of Kubernetes' kind of the chart's or the release's own.
fn is_about_itself(action: &Action<'_>) -> bool {
    let allowed = |word: &str| matches!(word, "replace" | "lower" | "trimPrefix") || HANDING_ON.contains(&word);
    let is_sign = |text: &str| !text.replace("%s", "").contains(char::is_alphanumeric) && !text.contains(LINE_ENDS);
    let mut tokens = action.tokens.iter().peekable();
    let mut is_about = false;
    while let Some(token) = tokens.next() {
        let is_fine = match token {
            Token::Word(word) => allowed(word) || JOINING.contains(word),
            Token::Text(text) => is_sign(text),
            Token::Field(field) => {
                let root = if *field == "$" { tokens.next() } else { Some(token) };
                let field = tokens.next();
                is_about = true;
                match (root, field) {
                    (Some(Token::Field(".Chart") | Token::Chain(".Chart")), Some(Token::Chain(field))) => {
                        matches!(*field, ".Name" | ".Version")
                    }
                    (Some(Token::Field(".Release") | Token::Chain(".Release")), Some(Token::Chain(_))) => true,
                    _ => false,
                }
            }
            Token::Chain(_) | Token::Assigns => false,
            Token::Number | Token::Sign(_) => true,
        };
        if !is_fine {
            return false;
        }
    }
    is_about
}

/// Whether a text of an action may make lines or keys of its own.
fn makes_lines(action: &Action<'_>) -> bool {
    action.tokens.iter().enumerate().any(|(at, token)| {
        let Token::Text(text) = token else { return false };
        let before = at.checked_sub(1).and_then(|before| action.tokens.get(before));
        let is_compared = matches!(before, Some(Token::Word(word)) if COMPARING.contains(word));
        let has_key = || text.match_indices(':').any(|(at, _)| ends_key(&text[at..]));
        !is_compared && (text.contains(LINE_ENDS) || text.contains("---") || has_key())
    })
}

/// Whether a text that is put together with others may be a piece of a word.
fn splits(action: &Action<'_>, calls: &[Call<'_, '_>], gives: bool) -> bool {
    // What a named template is given may become a key there.
    let least = if gives { 1 } else { 2 };
    let dicts = calls.iter().filter(|call| call.function == "dict");
    let keys: HashSet<*const Token<'_>> =
        dicts.flat_map(|dict| dict.operands.iter().step_by(2)).map(|key| std::ptr::from_ref(key.token)).collect();
    action.tokens.iter().filter(|token| !keys.contains(&std::ptr::from_ref(*token))).any(|token| {
        let Token::Text(text) = token else { return false };
        let mut chunks = text.split(['%', ' ']).enumerate().map(|(at, chunk)| match (at, chunk.chars().next()) {
            (1.., Some('s' | 'd' | 'v' | 'q' | 't' | 'f')) => &chunk[1..],
            _ => chunk,
        });
        chunks.any(|chunk| chunk.len() >= least && (is_beginning(chunk) || is_end(chunk)))
    })
}
