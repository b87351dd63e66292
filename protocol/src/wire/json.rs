//! How fields look in JSON: as Kafka's own tools write them. Numbers and text are themselves, bytes are base64, ids their usual text.

#[cfg(feature = "serde")]
pub use with_serde::Json;
#[cfg(feature = "serde")]
pub(crate) use with_serde::{deserialize, serialize};

/// What the feature `serde` asks of every field; without it, nothing.
#[cfg(not(feature = "serde"))]
pub trait Json {}

#[cfg(not(feature = "serde"))]
impl<T> Json for T {}

#[cfg(feature = "serde")]
mod with_serde {
    use std::borrow::Cow;
    use std::fmt;
    use std::marker::PhantomData;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::{Error as _, SeqAccess, Visitor};
    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::ErrorCode;
    use crate::wire::{RecordBytes, Uuid};

    /// A field's form in JSON.
    pub trait Json: Sized {
        /// Writes the value.
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

        /// Reads a value.
        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    }

    /// For `#[serde(with)]`.
    pub(crate) fn serialize<T: Json, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_serde(serializer)
    }

    /// For `#[serde(with)]`.
    pub(crate) fn deserialize<'de, T: Json, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::from_serde(deserializer)
    }

    macro_rules! plain {
        ($($t:ty),*) => { $(
            impl Json for $t {
                fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    self.serialize(serializer)
                }

                fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    Self::deserialize(deserializer)
                }
            }
        )* };
    }

    plain!(bool, i8, i16, i32, i64, u16, u32, f64, String);

    impl Json for ErrorCode {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            i16::deserialize(deserializer).map(Self)
        }
    }

    impl Json for Uuid {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        }
    }

    impl Json for Bytes {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&STANDARD.encode(self))
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = Cow::<str>::deserialize(deserializer)?;
            STANDARD
                .decode(&*text)
                .map(Self::from)
                .map_err(|e| D::Error::custom(format!("bytes as base64: {e}")))
        }
    }

    impl Json for RecordBytes {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.clone().into_bytes().to_serde(serializer)
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Bytes::from_serde(deserializer).map(Self::Here)
        }
    }

    impl<T: Json> Json for Option<T> {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Some(value) => serializer.serialize_some(&Out(value)),
                None => serializer.serialize_none(),
            }
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Option::<In<T>>::deserialize(deserializer)?.map(|value| value.0))
        }
    }

    impl<T: Json> Json for Vec<T> {
        fn to_serde<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut items = serializer.serialize_seq(Some(self.len()))?;
            for item in self {
                items.serialize_element(&Out(item))?;
            }
            items.end()
        }

        fn from_serde<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Items(PhantomData))
        }
    }

    struct Out<'a, T>(&'a T);

    impl<T: Json> Serialize for Out<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.to_serde(serializer)
        }
    }

    struct In<T>(T);

    impl<'de, T: Json> Deserialize<'de> for In<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            T::from_serde(deserializer).map(Self)
        }
    }

    struct Items<T>(PhantomData<T>);

    impl<'de, T: Json> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(In(item)) = seq.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }
}
