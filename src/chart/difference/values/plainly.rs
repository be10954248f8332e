//! A values file as nodes without lines, by the parser that takes what Helm's own takes.
//!
//! The one that knows lines is stricter about where brackets may close.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::super::super::quoted;
use super::read::{COST_LIMIT, DEPTH_LIMIT, TOO_MUCH, merge, scalar};
use super::{Entry, Node, Scalar};

/// Reads the one document of a file. Errors are sentences without their subject.
pub(super) fn document(text: &str) -> Result<Rc<Node>, String> {
    let cost = Cell::new(0);
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let Some(document) = documents.next() else {
        return Ok(Rc::new(Node::Map(Vec::new())));
    };
    let seed = Seed { cost: &cost, depth: 0 };
    let node = seed.deserialize(document).map_err(|error| format!("it is no YAML: {}", quoted(&error.to_string())))?;
    if documents.next().is_some() {
        return Err("it has more than one document".into());
    }
    Ok(node)
}

#[derive(Clone, Copy)]
struct Seed<'c> {
    cost: &'c Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn pay<E: Error>(self, cost: usize) -> Result<(), E> {
        self.cost.set(self.cost.get().saturating_add(cost));
        if self.cost.get() > COST_LIMIT { Err(E::custom(TOO_MUCH)) } else { Ok(()) }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_LIMIT {
            return Err(E::custom("it is nested too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn plain<E: Error>(self, text: String) -> Result<Rc<Node>, E> {
        self.pay(1)?;
        Ok(Rc::new(Node::Scalar(Scalar { text, quoted: false })))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Rc<Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Rc<Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Rc<Node>, E> {
        self.plain("null".into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Rc<Node>, E> {
        self.plain(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Rc<Node>, E> {
        self.plain(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Rc<Node>, E> {
        self.plain(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Rc<Node>, E> {
        self.plain(value.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rc<Node>, E> {
        self.pay(1 + text.len() / 32)?;
        Ok(Rc::new(Node::Scalar(scalar(text, false))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Rc<Node>, A::Error> {
        self.pay(1)?;
        let (seed, mut list) = (self.deeper()?, Vec::new());
        while let Some(node) = entries.next_element_seed(seed)? {
            list.push((0, node));
        }
        Ok(Rc::new(Node::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Rc<Node>, A::Error> {
        self.pay(1)?;
        let (seed, mut entries, mut merged) = (self.deeper()?, Vec::new(), Vec::new());
        while let Some((key, value)) = fields.next_entry_seed(seed, seed)? {
            let Node::Scalar(key) = &*key else { return Err(A::Error::custom("a key is a list or a mapping")) };
            if key.text == "<<" {
                merged.push(value);
            } else {
                entries.push(Entry { key: key.text.clone(), line: 0, value });
            }
        }
        for value in merged {
            merge(&value, &mut entries, &mut |cost| self.pay(cost).map_err(|error: A::Error| error.to_string()))
                .map_err(A::Error::custom)?;
        }
        Ok(Rc::new(Node::Map(entries)))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Rc<Node>, A::Error> {
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant_seed(self)
    }
}
