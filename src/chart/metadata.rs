//! A chart's metadata: Chart.yaml as Helm reads it, checks it and writes it into the config blob.
//!
//! Owns Helm's fields and rules for them. Unknown fields are dropped, as Helm does. Knows no file besides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::quoted;
use super::schema::{self, decode, prune};
use super::yaml::Node;
use crate::oci::strict_json;

/// What Helm knows of a chart before it renders anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The chart's name.
    pub name: String,
    /// The chart's version as written; Helm takes more than [`Version`](super::Version) does.
    pub version: String,
    /// The version of what the chart installs.
    pub app_version: Option<String>,
    /// The charts that this one depends on, `requirements.yaml` of old charts included.
    pub dependencies: Vec<Dependency>,
    /// All fields as Helm writes them into the config blob, empty ones left out.
    config: Map<String, Value>,
}

/// A chart that another one depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its version or a range of versions; empty when none is given.
    pub version: String,
    /// Where it comes from, as written; empty for one that is only vendored.
    pub repository: String,
    /// The name it goes by inside the parent.
    pub alias: Option<String>,
}

/// Why a chart's metadata is not what Helm would take, or not what the config blob says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not YAML, or YAML that two readers may understand differently.
    #[error("the chart's {file} is not clean YAML: {why}")]
    Yaml {
        /// `Chart.yaml` or `requirements.yaml`.
        file: &'static str,
        /// What is wrong, as a sentence about the file.
        why: String,
    },
    /// A field with another type than Helm's.
    #[error("`{field}` in the chart's {file} is {found}: helm expects {expected}")]
    Type {
        /// `Chart.yaml` or `requirements.yaml`.
        file: &'static str,
        /// The path of the field.
        field: String,
        /// What stands there.
        found: &'static str,
        /// What should.
        expected: &'static str,
    },
    /// A field whose value Helm refuses.
    #[error("`{field}` in the chart's metadata {problem}")]
    Field {
        /// The path of the field.
        field: String,
        /// What is wrong with it, as the rest of the sentence.
        problem: String,
    },
    /// The config blob is not JSON, or JSON that two readers may understand differently.
    #[error("the chart's config blob is not clean JSON: {0}")]
    ConfigJson(String),
    /// The config blob says something else than the archive.
    #[error("the chart's config blob and its Chart.yaml differ in `{field}`: {config} and {chart_yaml}")]
    ConfigDiffers {
        /// The path of the first field that differs.
        field: String,
        /// The config blob's value as JSON, at most 300 characters of it.
        config: String,
        /// What Helm would have written, likewise.
        chart_yaml: String,
    },
}

impl Metadata {
    /// Reads Chart.yaml.
    pub fn parse(chart_yaml: &[u8]) -> Result<Self, MetadataError> {
        Self::parse_with(chart_yaml, None)
    }

    /// Reads Chart.yaml and, over it, the `requirements.yaml` that charts of `apiVersion: v1` have.
    pub fn parse_with(chart_yaml: &[u8], requirements: Option<&[u8]>) -> Result<Self, MetadataError> {
        let mut fields = Map::new();
        read("Chart.yaml", chart_yaml, &mut fields)?;
        if fields.get("apiVersion").is_none_or(|version| version == "") {
            fields.insert("apiVersion".into(), "v1".into());
        }
        if let Some(requirements) = requirements {
            read("requirements.yaml", requirements, &mut fields)?;
        }
        schema::sanitize(schema::METADATA, &mut fields);
        validate(&fields)?;
        prune(schema::METADATA, &mut fields);
        Ok(Self {
            name: text(&fields, "name").to_owned(),
            version: text(&fields, "version").to_owned(),
            app_version: Some(text(&fields, "appVersion").to_owned()).filter(|version| !version.is_empty()),
            dependencies: objects(&fields, "dependencies").map(Dependency::of).collect(),
            config: fields,
        })
    }

    /// All fields as Helm writes them, empty ones left out.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.config
    }

    /// A field with one value; none where it is empty.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        match self.config.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// The annotation of this name.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.config.get("annotations")?.get(name)?.as_str()
    }

    /// Where its sources are, as written.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.config.get("sources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// When each dependency is installed and what it hands to this chart, by name or alias: empty where nothing is said.
    pub(super) fn terms(&self) -> BTreeMap<String, String> {
        let one = |dependency: &Map<String, Value>| {
            let name = [text(dependency, "alias"), text(dependency, "name")].into_iter().find(|name| !name.is_empty());
            let fields = ["condition", "tags", "import-values"];
            let said = fields.iter().filter_map(|field| Some(format!("{field} {}", dependency.get(*field)?)));
            (name.unwrap_or_default().to_owned(), said.collect::<Vec<_>>().join(", "))
        };
        objects(&self.config, "dependencies").map(one).collect()
    }

    /// Its maintainers, each in one line: `Ada <ada@upstream.example> https://upstream.example`.
    pub(super) fn maintainers(&self) -> impl Iterator<Item = String> {
        objects(&self.config, "maintainers").map(|person| {
            let email = Some(text(person, "email")).filter(|email| !email.is_empty()).map(|email| format!("<{email}>"));
            let parts = [text(person, "name").to_owned(), email.unwrap_or_default(), text(person, "url").to_owned()];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        })
    }

    /// Whether a config blob says, as data, what Helm would have written for this chart.
    pub fn check_config(&self, config_json: &[u8]) -> Result<(), MetadataError> {
        let Value::Object(mut config) = strict_json(config_json).map_err(MetadataError::ConfigJson)? else {
            return Err(MetadataError::ConfigJson("it is not an object".into()));
        };
        prune(schema::METADATA, &mut config);
        let keys = self.config.keys().chain(config.keys());
        for key in keys {
            let (ours, theirs) = (self.config.get(key), config.get(key));
            if let Some((below, ours, theirs)) = difference(ours, theirs) {
                let shown = |value: Option<&Value>| value.map_or("nothing".into(), |value| quoted(&value.to_string()));
                return Err(MetadataError::ConfigDiffers {
                    field: quoted(&format!("{key}{below}")),
                    config: shown(theirs),
                    chart_yaml: shown(ours),
                });
            }
        }
        Ok(())
    }
}

impl Dependency {
    fn of(fields: &Map<String, Value>) -> Self {
        Self {
            name: text(fields, "name").to_owned(),
            version: text(fields, "version").to_owned(),
            repository: text(fields, "repository").to_owned(),
            alias: Some(text(fields, "alias").to_owned()).filter(|alias| !alias.is_empty()),
        }
    }
}

fn read(file: &'static str, yaml: &[u8], fields: &mut Map<String, Value>) -> Result<(), MetadataError> {
    let node = Node::parse(yaml).map_err(|why| MetadataError::Yaml { file, why })?;
    decode(schema::METADATA, node, fields, "").map_err(|problem| problem.in_file(file))
}

/// The text in a field; empty when there is none.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, field: &str) -> &'a str {
    fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The mappings in a field that lists some.
pub(super) fn objects<'a>(fields: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    fields.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Helm's own rules, in its order.
fn validate(fields: &Map<String, Value>) -> Result<(), MetadataError> {
    let refuse = |field: &str, problem: String| Err(MetadataError::Field { field: field.into(), problem });
    let shown = |text: &str| format!("`{}`", quoted(text));
    let api_version = text(fields, "apiVersion");
    if !matches!(api_version, "v1" | "v2") {
        return refuse("apiVersion", format!("is {}: helm knows `v1` and `v2`", shown(api_version)));
    }
    let name = text(fields, "name");
    if name.is_empty() {
        return refuse("name", "is missing".into());
    }
    if matches!(name, "." | "..") || name.contains(['/', '\\']) {
        return refuse("name", format!("is {}: a chart's name has no `/` and is neither `.` nor `..`", shown(name)));
    }
    let version = text(fields, "version");
    if version.is_empty() {
        return refuse("version", "is missing".into());
    }
    if !is_loose_version(version) {
        return refuse("version", format!("is {}, which is not a version", shown(version)));
    }
    let kind = text(fields, "type");
    if !matches!(kind, "" | "application" | "library") {
        return refuse("type", format!("is {}: it is `application` or `library`", shown(kind)));
    }
    for list in ["maintainers", "dependencies"] {
        let entries = fields.get(list).and_then(Value::as_array);
        if let Some(index) = entries.and_then(|entries| entries.iter().position(Value::is_null)) {
            return refuse(&format!("{list}[{index}]"), "is empty".into());
        }
    }
    validate_dependencies(fields)
}

fn validate_dependencies(fields: &Map<String, Value>) -> Result<(), MetadataError> {
    let mut names = std::collections::HashSet::new();
    for (index, dependency) in objects(fields, "dependencies").enumerate() {
        let (name, alias) = (text(dependency, "name"), text(dependency, "alias"));
        let refuse = |problem: String| Err(MetadataError::Field { field: format!("dependencies[{index}]"), problem });
        if !alias.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return refuse(format!("has the alias `{}`: letters, digits, `_` and `-` belong there", quoted(alias)));
        }
        let name = if alias.is_empty() { name } else { alias };
        if !names.insert(name) {
            return refuse(format!("has the name or alias `{}` of another one", quoted(name)));
        }
    }
    Ok(())
}

/// What Helm takes as a version: one to three numbers, leading zeros or not, and what SemVer lets follow them.
fn is_loose_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let padded = |part: &str| digits(part) && part.len() > 1 && part.starts_with('0');
    numbers.split('.').count() <= 3
        && numbers.split('.').all(|part| digits(part) && part.parse::<u64>().is_ok())
        && pre.is_none_or(|pre| pre.split('.').all(|part| word(part) && !padded(part)))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// The first place below which two values differ, and what stands there in each.
fn difference<'a>(
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
) -> Option<(String, Option<&'a Value>, Option<&'a Value>)> {
    let deeper = |step: String, ours, theirs| {
        difference(ours, theirs).map(|(below, ours, theirs)| (format!("{step}{below}"), ours, theirs))
    };
    match (ours, theirs) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.keys().chain(b.keys()).find_map(|key| deeper(format!(".{key}"), a.get(key), b.get(key)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            (0..a.len().max(b.len())).find_map(|index| deeper(format!("[{index}]"), a.get(index), b.get(index)))
        }
        // Go reads every number that it has no type for as a float.
        (Some(Value::Number(a)), Some(Value::Number(b))) if a.as_f64() == b.as_f64() => None,
        (ours, theirs) => (ours != theirs).then(|| (String::new(), ours, theirs)),
    }
}

#[cfg(test)]
mod tests;
