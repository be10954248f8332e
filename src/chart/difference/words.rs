//! The words that deserve a second look: rights on the node, kinds that rule over others, what Helm runs by itself.
//!
//! Owns what each of them stands for, and what may be a piece of one that is put together elsewhere.

use super::Matter;
use super::calls::LINE_ENDS;
use super::fields::{is_literal, is_no, is_yes, mentions};

/// The annotation that has Helm run something at its own time.
pub(super) const HOOK: &str = "helm.sh/hook";
/// What is looked for in templates and values, and in the texts of actions.
const WORDS: [&str; 24] = [
    "privileged",
    "allowPrivilegeEscalation",
    "hostProcess",
    "procMount",
    "Unconfined",
    "unconfined",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPort",
    "hostPath",
    HOOK,
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
    "CustomResourceDefinition",
];
/// The fewest characters that make the beginning of a key worth a word where it is all of a value.
const BEGINNING: usize = 6;
pub(super) const QUOTES: [char; 2] = ['"', '\''];

/// The first of the words that stands in a text.
pub(super) fn mentioned(text: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|word| mentions(text, word))
}

/// Why it deserves a second look.
pub(super) fn matter_of(word: &str) -> Matter {
    match word {
        "hostNetwork" | "hostPID" | "hostIPC" | "hostPort" => Matter::HostNamespace,
        "hostPath" => Matter::HostPath,
        HOOK => Matter::Hook,
        word => kind(word).unwrap_or(Matter::Privileged),
    }
}

/// Why a new object of this kind deserves a second look, if it does.
pub(super) fn kind(kind: &str) -> Option<Matter> {
    Some(match kind {
        "ClusterRole" => Matter::ClusterRole,
        "ClusterRoleBinding" => Matter::ClusterRoleBinding,
        "Role" => Matter::Role,
        "RoleBinding" => Matter::RoleBinding,
        "MutatingWebhookConfiguration"
        | "ValidatingWebhookConfiguration"
        | "MutatingAdmissionPolicy"
        | "MutatingAdmissionPolicyBinding"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "APIService" => Matter::Webhook,
        "CustomResourceDefinition" => Matter::Crd,
        _ => return None,
    })
}

/// Whether it is a key whose value grants something or denies it.
pub(super) fn is_right(word: &str) -> bool {
    matches!(
        word,
        "privileged"
            | "allowPrivilegeEscalation"
            | "hostProcess"
            | "procMount"
            | "hostNetwork"
            | "hostPID"
            | "hostIPC"
            | "hostPort"
    )
}

/// Whether the value of such a key grants nothing for sure.
pub(super) fn denies(key: &str, value: &str) -> bool {
    is_no(value) || key == "procMount" && value == "Default"
}

/// Whether what stands under this key may be a capability that a container gains.
pub(super) fn may_be_capability(key: &str, value: &str) -> bool {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let is_one = is_name(value) && !is_no(value) && !is_yes(value) || !is_literal(value);
    key == "add" && !value.is_empty() && is_one
}

/// What may be a part of such a word; `.` and `/` are, too.
fn is_part(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_-./".contains(char)
}

/// What of a word stands at the end of a text.
pub(super) fn last_part(text: &str) -> &str {
    &text[text.trim_end_matches(is_part).len()..]
}

/// What of a word stands at the beginning of a text.
pub(super) fn first_part(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches(is_part).len()]
}

/// Whether a word begins with this and goes on.
pub(super) fn is_beginning(part: &str) -> bool {
    !part.is_empty() && WORDS.into_iter().any(|word| word.len() > part.len() && word.starts_with(part))
}

/// Whether a word ends with this and begins with more.
pub(super) fn is_end(part: &str) -> bool {
    !part.is_empty() && WORDS.into_iter().any(|word| word.len() > part.len() && word.ends_with(part))
}

/// Whether a value may be printed so that it makes a key together with what stands beside it.
pub(super) fn may_be_half(value: &str) -> bool {
    let mut keys = WORDS.into_iter().filter(|word| kind(word).is_none());
    let value = value.trim();
    let part = first_part(value);
    if part.len() == value.len() {
        // All of one, or most of it.
        let is_one = |key: &str| part.starts_with(key) || part.len() >= BEGINNING && key.starts_with(part);
        // A whole one is told as what it is.
        return keys.any(|key| part != key && is_one(key));
    }
    // The end of one, with its colon.
    let behind = value.trim_start_matches(QUOTES);
    let part = first_part(behind);
    let rest = &behind[part.len()..];
    let colon = rest.trim_start_matches(QUOTES).trim_start();
    if colon.starts_with(':')
        && (rest.starts_with(QUOTES) || ends_key(colon))
        && keys.clone().any(|key| key.ends_with(part))
    {
        return true;
    }
    // The beginning of one, in a line of its own or in brackets.
    let part = last_part(value.trim_end_matches(['-', '.', '/']));
    let before = value[..value.rfind(part).unwrap_or_default()].trim_end_matches([' ', '\t', '"', '\'', '-', '?']);
    let begins = before.ends_with(LINE_ENDS) || before.ends_with([',', '{', '[']);
    begins && !part.is_empty() && keys.any(|key| key.starts_with(part) || part.starts_with(key))
}

/// Whether a text begins with a colon that ends a key.
pub(super) fn ends_key(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_words_are_known() {
        for half in [
            "hostPathX",
            "hostNetw",
            "leged: true",
            "d: true",
            ": true",
            "\": true",
            "'leged' : true",
            "leged\":true",
            "1\n  privi",
            "1\n  privileged",
            "1\n- \"p",
            "a, privi-",
            "{h",
        ] {
            assert!(may_be_half(half), "{half:?}");
        }
        for other in [
            "",
            "a",
            "privileged",
            "host",
            "Cluster",
            "a: b",
            "legend: true",
            "a\nb",
            "a:b",
            "http://x",
            "a, b",
            "x privi",
            "1.5d",
        ] {
            assert!(!may_be_half(other), "{other:?}");
        }
    }
}
