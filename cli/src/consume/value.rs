//! Keys and values as text: what Kafka's deserializers and Java's `toString` make of the bytes.

use std::io::Write;

/// How the bytes of a key or value are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Deserializer {
    /// As they are: also for StringDeserializer, since re-encoding would only destroy what is no UTF-8.
    #[default]
    Bytes,
    /// Two bytes, a number.
    Short,
    /// Four bytes, a number.
    Integer,
    /// Eight bytes, a number.
    Long,
    /// Four bytes, IEEE 754.
    Float,
    /// Eight bytes, IEEE 754.
    Double,
    /// A UUID as text already.
    Uuid,
}

/// The bytes are none of the wanted type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{size} bytes are no {wanted}")]
pub struct ValueError {
    size: usize,
    wanted: &'static str,
}

impl Deserializer {
    /// The deserializer of a Java class name, with or without its package.
    pub fn of_class(class: &str) -> Option<Self> {
        match class.trim().rsplit('.').next()? {
            "StringDeserializer"
            | "ByteArrayDeserializer"
            | "BytesDeserializer"
            | "ByteBufferDeserializer" => Some(Self::Bytes),
            "ShortDeserializer" => Some(Self::Short),
            "IntegerDeserializer" => Some(Self::Integer),
            "LongDeserializer" => Some(Self::Long),
            "FloatDeserializer" => Some(Self::Float),
            "DoubleDeserializer" => Some(Self::Double),
            "UUIDDeserializer" => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Appends the text of `bytes`.
    #[inline]
    pub fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::Bytes | Self::Uuid => out.extend_from_slice(bytes),
            Self::Short => append(out, i16::from_be_bytes(sized(bytes, "short")?)),
            Self::Integer => append(out, i32::from_be_bytes(sized(bytes, "int")?)),
            Self::Long => append(out, i64::from_be_bytes(sized(bytes, "long")?)),
            Self::Float => {
                let number = f32::from_be_bytes(sized(bytes, "float")?);
                append(out, java_float(f64::from(number), &format!("{number:e}")));
            }
            Self::Double => {
                let number = f64::from_be_bytes(sized(bytes, "double")?);
                append(out, java_float(number, &format!("{number:e}")));
            }
        }
        Ok(())
    }
}

/// Appends the text of a number.
pub fn append(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    write!(out, "{text}").expect("a Vec takes all bytes");
}

fn sized<const N: usize>(bytes: &[u8], wanted: &'static str) -> Result<[u8; N], ValueError> {
    bytes.try_into().map_err(|_| ValueError { size: bytes.len(), wanted })
}

/// Java's text of a number from its shortest digits (`1.25e-7`): plain between 10^-3 and 10^7, else `1.25E-7`.
fn java_float(number: f64, shortest: &str) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (digits, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let with_point =
        |digits: &str| if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        let exponent: i32 = exponent.parse().unwrap_or(0);
        with_point(&plain(digits, exponent))
    } else {
        format!("{}E{exponent}", with_point(digits))
    }
}

/// Scientific digits without their exponent, which is small.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let bare: String = digits.chars().filter(|c| *c != '.').collect();
    let Ok(point) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{bare}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    };
    match point {
        0 => format!("{sign}0.{bare}"),
        point if point >= bare.len() => format!("{sign}{bare}{}", "0".repeat(point - bare.len())),
        point => format!("{sign}{}.{}", &bare[..point], &bare[point..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(deserializer: Deserializer, bytes: &[u8]) -> Result<String, ValueError> {
        let mut out = Vec::new();
        deserializer.write(bytes, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn numbers_are_big_endian() {
        assert_eq!(text(Deserializer::Short, &[0xff, 0xfe]).as_deref(), Ok("-2"));
        assert_eq!(text(Deserializer::Integer, &[0, 0, 1, 0]).as_deref(), Ok("256"));
        assert_eq!(text(Deserializer::Long, &i64::MIN.to_be_bytes()).as_deref(), Ok("-9223372036854775808"));
    }

    #[test]
    fn a_wrong_size_is_an_error() {
        assert_eq!(
            text(Deserializer::Long, b"abc").expect_err("three bytes").to_string(),
            "3 bytes are no long"
        );
    }

    #[test]
    fn floats_read_as_in_java() {
        for (number, java) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.0123, "0.0123"),
            (0.5, "0.5"),
            (0.00099, "9.9E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e300, "1.25E300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(Deserializer::Double, &number.to_be_bytes()).as_deref(), Ok(java));
        }
        assert_eq!(text(Deserializer::Float, &0.1f32.to_be_bytes()).as_deref(), Ok("0.1"));
    }

    #[test]
    fn classes_are_known_with_and_without_package() {
        assert_eq!(
            Deserializer::of_class("org.apache.kafka.common.serialization.LongDeserializer"),
            Some(Deserializer::Long)
        );
        assert_eq!(Deserializer::of_class("IntegerDeserializer"), Some(Deserializer::Integer));
        assert_eq!(Deserializer::of_class("com.example.Avro"), None);
    }
}
