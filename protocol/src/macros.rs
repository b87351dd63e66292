//! `api!`, `record!` and `part!`: one readable table a message, every version from it. The syntax is explained in
//! [`crate::messages`].

/// The versions of a bracket: `[0+ …]`, `[3-7 …]`, `[4 …]`.
macro_rules! versions {
    ($first:literal + $($rest:tt)*) => {
        $crate::wire::VersionRange::new($first, i16::MAX)
    };
    ($first:literal - $last:literal $($rest:tt)*) => {
        $crate::wire::VersionRange::new($first, $last)
    };
    ($only:literal $($rest:tt)*) => {
        $crate::wire::VersionRange::new($only, $only)
    };
}

/// The versions in which null is allowed: `null 1+` or `null 0`, else every version.
macro_rules! null_versions {
    ($first:literal + null $($null:tt)*) => {
        versions!($($null)*)
    };
    ($first:literal - $last:literal null $($null:tt)*) => {
        versions!($($null)*)
    };
    ($($rest:tt)*) => {
        $crate::wire::VersionRange::new(0, i16::MAX)
    };
}

/// Whether the bracket ends with `ignorable`.
macro_rules! ignorable {
    (ignorable) => {
        true
    };
    () => {
        false
    };
    ($skip:tt $($rest:tt)*) => {
        ignorable!($($rest)*)
    };
}

macro_rules! or_default {
    ($t:ty;) => {
        <$t>::default()
    };
    ($t:ty; $value:expr) => {
        $value
    };
}

macro_rules! is_default {
    ($field:expr; $t:ty;) => {
        <$t as $crate::wire::Wire>::is_default(&$field)
    };
    ($field:expr; $t:ty; $value:expr) => {
        $field == $value
    };
}

/// Whether `$version` has the field. Most have been there from the beginning: then there is nothing to compare.
macro_rules! present {
    ($version:ident; 0 + $($rest:tt)*) => {
        true
    };
    ($version:ident; $first:literal + $($rest:tt)*) => {
        $version >= $first
    };
    ($version:ident; 0 - $last:literal $($rest:tt)*) => {
        $version <= $last
    };
    ($version:ident; $first:literal - $last:literal $($rest:tt)*) => {
        $version >= $first && $version <= $last
    };
    ($version:ident; $only:literal $($rest:tt)*) => {
        $version == $only
    };
}

/// Keeps its body where `$version` has the field.
macro_rules! where_present {
    ($version:ident [0 + $($rest:tt)*] { $($then:tt)* }) => { $($then)* };
    ($version:ident [$($v:tt)*] { $($then:tt)* }) => {
        if present!($version; $($v)*) { $($then)* }
    };
}

/// What the bytes say of a field, or its default where `$version` has no such field.
macro_rules! decoded {
    ($r:ident $version:ident $name:ident $f:ident $ty:ty [0 + $($rest:tt)*] $($def:expr)?) => {{
        place!($r $name $f);
        ok!(<$ty as $crate::wire::Wire>::decode($r))
    }};
    ($r:ident $version:ident $name:ident $f:ident $ty:ty [$($v:tt)*] $($def:expr)?) => {
        if present!($version; $($v)*) {
            place!($r $name $f);
            ok!(<$ty as $crate::wire::Wire>::decode($r))
        } else {
            or_default!($ty; $($def)?)
        }
    };
}

/// `?` without the conversion of the error, which the compiler would have to look up some thousand times.
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(kind) => return Err(kind),
        }
    };
}

/// Keeps its body for fields that a version may lack and that must not get lost there.
macro_rules! losable {
    ([0 + $($rest:tt)*] { $($then:tt)* }) => {};
    ([$($v:tt)*] { $($then:tt)* }) => { losable! { @ [$($v)*] { $($then)* } } };
    (@ [ignorable] { $($then:tt)* }) => {};
    (@ [] { $($then:tt)* }) => { $($then)* };
    (@ [$skip:tt $($rest:tt)*] { $($then:tt)* }) => { losable! { @ [$($rest)*] { $($then)* } } };
}

/// Keeps its body for fields that may be null in some of their versions only.
macro_rules! sometimes_null {
    ([null $($rest:tt)*] { $($then:tt)* }) => { $($then)* };
    ([] { $($then:tt)* }) => {};
    ([$skip:tt $($rest:tt)*] { $($then:tt)* }) => { sometimes_null! { [$($rest)*] { $($then)* } } };
}

/// Keeps its body for fields without a tag.
macro_rules! plain {
    ({ $($then:tt)* }) => { $($then)* };
    ($tag:literal { $($then:tt)* }) => {};
}

/// Keeps its body for tagged fields.
macro_rules! tagged {
    ({ $($then:tt)* }) => {};
    ($tag:literal { $($then:tt)* }) => { $($then)* };
}

/// Keeps its first body for structures with tagged fields, the second for those without.
macro_rules! any_tag {
    ([] { $($with:tt)* } { $($without:tt)* }) => { $($without)* };
    ([$($tag:literal)+] { $($with:tt)* } { $($without:tt)* }) => { $($with)* };
}

macro_rules! tag_of {
    () => {
        None
    };
    ($tag:literal) => {
        Some($tag)
    };
}

/// Says which field is next, for errors.
macro_rules! place {
    ($cursor:ident $name:ident $($f:ident)?) => {
        $cursor.place = &$crate::wire::Place { part: stringify!($name), field: field_or_tags!($($f)?) }
    };
}

macro_rules! field_or_tags {
    () => {
        "tagged fields"
    };
    // A call here would be a constant to evaluate for each field; errors cut off the mark of a keyword.
    ($f:ident) => {
        stringify!($f)
    };
}

// Code is inlined, and so made only where it is used, as long as nobody wants all of it: the registry does, and then once is
// better than once a unit of compilation.

/// One structure: the struct, its defaults, its field table, both directions.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident {
        $( $(#[$fdoc:meta])* $f:ident : $ty:ty [ $($v:tt)* ] $(tag $tag:literal)? $(= $def:expr)? ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default, deny_unknown_fields))]
        #[allow(missing_docs, reason = "the names are Kafka's own; what is not plain from them is said at the field")]
        pub struct $name { $(
            $(#[$fdoc])*
            #[cfg_attr(feature = "serde", serde(with = "crate::wire::json"))]
            pub $f: $ty,
        )* }

        impl $name {
            /// The table, for comparison with outside schemas.
            pub const FIELDS: &'static [$crate::wire::Field] = &[ $( $crate::wire::Field {
                name: $crate::wire::field_name(stringify!($f)),
                ty: <$ty as $crate::wire::Wire>::TYPE,
                versions: versions!($($v)*),
                null: null_versions!($($v)*),
                tag: tag_of!($($tag)?),
                ignorable: ignorable!($($v)*),
                default: concat!("", $(stringify!($def))?),
            }, )* ];
        }

        impl Default for $name {
            #[cfg_attr(not(feature = "registry"), inline)]
            fn default() -> Self {
                Self { $( $f: or_default!($ty; $($def)?), )* }
            }
        }

        #[allow(
            unused_imports, unused_mut, unused_variables, unused_assignments, unused_comparisons,
            clippy::absurd_extreme_comparisons, clippy::manual_range_contains, clippy::needless_late_init
        )]
        impl $crate::wire::Wire for $name {
            const MIN: usize = {
                let mut min = 0;
                $( plain!($($tag)? {
                    let range = versions!($($v)*);
                    if range.first == 0 && range.last == i16::MAX {
                        min += <$ty as $crate::wire::Wire>::MIN;
                    }
                }); )*
                // A structure without a field in every version still takes a byte in some.
                if min == 0 { 1 } else { min }
            };
            const TYPE: $crate::wire::FieldType = $crate::wire::FieldType::Struct(Self::FIELDS);

            #[cfg_attr(not(feature = "registry"), inline)]
            fn encode(&self, w: &mut $crate::wire::Writer) -> Result<(), $crate::wire::EncodeErrorKind> {
                use $crate::wire::EncodeErrorKind;
                let version = w.version();
                $(
                    plain!($($tag)? {
                        where_present! { version [$($v)*] {
                            place!(w $name $f);
                            sometimes_null! { [$($v)*] {
                                if self.$f.is_null() && !null_versions!($($v)*).contains(version) {
                                    return Err(EncodeErrorKind::Null(version));
                                }
                            } }
                            ok!(self.$f.encode(w));
                        } }
                    });
                    losable! { [$($v)*] {
                        if !(present!(version; $($v)*)) && !is_default!(self.$f; $ty; $($def)?) {
                            place!(w $name $f);
                            return Err(EncodeErrorKind::Absent(version));
                        }
                    } }
                )*
                any_tag! { [$($($tag)?)*] {
                    if w.flexible() {
                        let mut tags = 0u32;
                        $( tagged!($($tag)? {
                            if present!(version; $($v)*) && !is_default!(self.$f; $ty; $($def)?) {
                                tags += 1;
                            }
                        }); )*
                        w.uvarint(tags);
                        $( tagged!($($tag)? {
                            if present!(version; $($v)*) && !is_default!(self.$f; $ty; $($def)?) {
                                place!(w $name $f);
                                ok!(w.tagged($($tag)?, |w| self.$f.encode_tagged(w)));
                            }
                        }); )*
                    }
                } {
                    w.no_tags();
                } }
                Ok(())
            }

            #[inline]
            fn decode(r: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::DecodeErrorKind> {
                use $crate::wire::{DecodeErrorKind, Wire};
                let version = r.version();
                $(
                    plain!($($tag)? {
                        let $f = decoded!(r version $name $f $ty [$($v)*] $($def)?);
                        sometimes_null! { [$($v)*] {
                            if $f.is_null() && (present!(version; $($v)*)) && !null_versions!($($v)*).contains(version) {
                                return Err(DecodeErrorKind::Null(version));
                            }
                        } }
                    });
                    tagged!($($tag)? { let mut $f = or_default!($ty; $($def)?); });
                )*
                place!(r $name);
                any_tag! { [$($($tag)?)*] {
                    for _ in 0..ok!(r.tags()) {
                        let (tag, mut field) = ok!(r.tag());
                        $( tagged!($($tag)? {
                            if tag == $($tag)? && (present!(version; $($v)*)) {
                                place!(r $name $f);
                                $f = match Wire::decode_tagged(&mut field) {
                                    Ok(value) => value,
                                    Err(kind) => {
                                        r.place = field.place;
                                        return Err(kind);
                                    }
                                };
                                ok!(field.end());
                                continue;
                            }
                        }); )*
                    }
                } {
                    ok!(r.skip_tags());
                } }
                Ok(Self { $($f),* })
            }
        }

        #[cfg(feature = "serde")]
        impl $crate::wire::json::Json for $name {
            fn to_serde<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(self, serializer)
            }

            fn from_serde<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(deserializer)
            }
        }

        impl $crate::wire::Part for $name {}
    };
}

/// One API: request, response, and the structures they are made of.
macro_rules! api {
    (
        $(#[$doc:meta])* $req:ident -> $resp:ident = $key:literal,
        versions $lo:literal - $hi:literal, flexible $($flex:tt)*
    ) => { api_body! { [$(#[$doc])*] $req $resp $key $lo $hi $($flex)* } };
}

macro_rules! api_body {
    ([$($doc:tt)*] $req:ident $resp:ident $key:literal $lo:literal $hi:literal none; $($rest:tt)*) => {
        api_body! { @ [$($doc)*] $req $resp $key $lo $hi (i16::MAX) $($rest)* }
    };
    ([$($doc:tt)*] $req:ident $resp:ident $key:literal $lo:literal $hi:literal $flex:literal +; $($rest:tt)*) => {
        api_body! { @ [$($doc)*] $req $resp $key $lo $hi ($flex) $($rest)* }
    };
    (@ [$($doc:tt)*] $req:ident $resp:ident $key:literal $lo:literal $hi:literal ($flex:expr)
        request { $($rq:tt)* }
        response { $($rs:tt)* }
        $( $(#[$pdoc:meta])* $part:ident { $($body:tt)* } )*
    ) => {
        part! { $($doc)* $req { $($rq)* } }
        part! {
            #[doc = concat!("The answer to [`", stringify!($req), "`].")]
            $resp { $($rs)* }
        }
        $( part! {
            $(#[$pdoc])*
            #[doc = concat!("A part of [`", stringify!($req), "`] or its answer.")]
            $part { $($body)* }
        } )*
        impl $crate::api::Request for $req {
            type Response = $resp;
            const KEY: $crate::api::ApiKey = $crate::api::ApiKey($key);
            const VERSIONS: $crate::wire::VersionRange = $crate::wire::VersionRange::new($lo, $hi);
            const FLEXIBLE_FROM: i16 = $flex;
        }
    };
}

/// One message that is no request: what brokers store, and what travels inside the bytes of others.
macro_rules! record {
    (
        $(#[$doc:meta])* $name:ident $(= $id:literal)?,
        versions $lo:literal - $hi:literal, flexible $($flex:tt)*
    ) => { record_body! { [$(#[$doc])*] $name [$($id)?] $lo $hi $($flex)* } };
}

macro_rules! record_body {
    ([$($doc:tt)*] $name:ident [$($id:literal)?] $lo:literal $hi:literal none; $($rest:tt)*) => {
        record_body! { @ [$($doc)*] $name [$($id)?] $lo $hi (i16::MAX) $($rest)* }
    };
    ([$($doc:tt)*] $name:ident [$($id:literal)?] $lo:literal $hi:literal $flex:literal +; $($rest:tt)*) => {
        record_body! { @ [$($doc)*] $name [$($id)?] $lo $hi ($flex) $($rest)* }
    };
    (@ [$($doc:tt)*] $name:ident [$($id:literal)?] $lo:literal $hi:literal ($flex:expr)
        fields { $($fields:tt)* }
        $( $(#[$pdoc:meta])* $part:ident { $($body:tt)* } )*
    ) => {
        part! { $($doc)* $(#[doc = concat!("\n\nType ", $id, ".")])? $name { $($fields)* } }
        $( part! {
            $(#[$pdoc])*
            #[doc = concat!("A part of [`", stringify!($name), "`].")]
            $part { $($body)* }
        } )*
        impl $crate::api::Data for $name {
            const NAME: &'static str = stringify!($name);
            const ID: Option<i16> = tag_of!($($id)?);
            const VERSIONS: $crate::wire::VersionRange = $crate::wire::VersionRange::new($lo, $hi);
            const FLEXIBLE_FROM: i16 = $flex;
        }
    };
}
