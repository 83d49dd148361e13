//! What is JSON and what is not.

use super::*;
use crate::testing::damaged;

fn read(text: &str) -> Json {
    text.parse()
        .unwrap_or_else(|error| panic!("{:?}: {}", text, error))
}

fn refused(text: &str) -> &'static str {
    match text.parse::<Json>() {
        Ok(value) => panic!("{:?} was read as {:?}", text, value),
        Err(error) => error.what,
    }
}

#[test]
fn every_kind_of_value_is_read_and_written_as_it_was() {
    let text = r#"{"a":[null,true,false,-0.5e+10,0,""],"b":{},"c":[],"ü":"🐝"}"#;
    assert_eq!(read(text).to_string(), text);
    assert_eq!(read(" \t\r\n[ 1 , 2 ]\n").to_string(), "[1,2]");
    assert_eq!(read("\"x\""), Json::from("x"));
}

#[test]
fn escapes_are_read() {
    assert_eq!(
        read(r#""\"\\\/\b\f\n\r\t\u0041\u00e9""#).as_str(),
        Some("\"\\/\u{8}\u{c}\n\r\tAé")
    );
    assert_eq!(read(r#""\ud83d\udc1d!""#).as_str(), Some("🐝!"));
    assert_eq!(read(r#""\u0000""#).as_str(), Some("\0"));
}

#[test]
fn half_a_surrogate_pair_is_replaced_and_what_follows_stays() {
    assert_eq!(read(r#""\ud83dx""#).as_str(), Some("\u{fffd}x"));
    assert_eq!(read(r#""\udc1d""#).as_str(), Some("\u{fffd}"));
    assert_eq!(read(r#""\ud83d\n""#).as_str(), Some("\u{fffd}\n"));
    assert_eq!(read(r#""\ud83d\u0041""#).as_str(), Some("\u{fffd}A"));
    assert_eq!(read(r#""\ud83d\ud83d\udc1d""#).as_str(), Some("\u{fffd}🐝"));
}

#[test]
fn text_is_written_so_that_it_reads_the_same() {
    for text in [
        "",
        "\"\\\u{0}\u{1f}\n\r\t\u{7f}",
        "é🐝\u{2028}",
        "\u{8}\u{c}",
    ] {
        let written = Json::from(text).to_string();
        assert!(
            written.bytes().all(|byte| byte >= 0x20),
            "{:?} holds a control character",
            written
        );
        assert_eq!(read(&written).as_str(), Some(text));
    }
    assert_eq!(Json::from("\u{1}\"\\").to_string(), r#""\u0001\"\\""#);
}

#[test]
fn numbers_keep_their_digits() {
    let big = "123456789012345678901234567890.5";
    assert_eq!(read(big).to_string(), big);
    assert_eq!(read("9223372036854775807").as_i64(), Some(i64::MAX));
    assert_eq!(read("18446744073709551615").as_u64(), Some(u64::MAX));
    assert_eq!(read("-1").as_u64(), None);
    assert_eq!(read("1.5").as_i64(), None);
    assert_eq!(read("1.5e3").as_f64(), Some(1500.0));
    assert_eq!(Json::from(1e300).to_string(), "1e300");
    assert_eq!(Json::from(0.1).to_string(), "0.1");
    assert_eq!(Json::from(f64::NAN), Json::Null);
    assert_eq!(Json::from(-3), read("-3"));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "nul",
        "nulls",
        "True",
        "NaN",
        "Infinity",
        "+1",
        "01",
        "-",
        "-x",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"a\nb\"",
        "\"\u{1}\"",
        "1 2",
        "[] []",
        "\u{feff}1",
        "[1 2]",
        "{\"a\" 1}",
        "\"\\ud83d\\u\"",
    ] {
        refused(text);
    }
}

#[test]
fn depth_has_a_limit_and_no_nesting_breaks_the_reader() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(MAX_DEPTH)).to_string(), nested(MAX_DEPTH));
    assert_eq!(refused(&nested(MAX_DEPTH + 1)), "it is nested too deeply");
    assert_eq!(refused(&"[".repeat(1_000_000)), "it is nested too deeply");
    assert_eq!(
        refused(&"{\"a\":".repeat(100_000)),
        "it is nested too deeply"
    );
}

#[test]
fn an_error_says_where() {
    let error = "{\"ü\": [1, x]}".parse::<Json>().expect_err("not JSON");
    assert_eq!((error.at, error.what), (11, "no value begins like this"));
    assert_eq!(
        error.to_string(),
        "not JSON at byte 11: no value begins like this"
    );
}

#[test]
fn members_are_found_by_name() {
    let value = read(r#"{"a": 1, "b": {"c": [true]}, "a": 2}"#);
    assert_eq!(value.get("a").and_then(Json::as_i64), Some(2));
    let inner = value.get("b").and_then(|b| b.get("c"));
    assert_eq!(
        inner.and_then(Json::as_array),
        Some(&[Json::Bool(true)][..])
    );
    assert_eq!(value.get("c"), None);
    assert_eq!(Json::Null.get("a"), None);
    let made = Json::object([("x", Json::array(["y"])), ("z", Json::Null)]);
    assert_eq!(made.to_string(), r#"{"x":["y"],"z":null}"#);
}

#[test]
fn no_damage_makes_the_reader_panic_and_what_it_reads_is_json() {
    let whole = r#"{"a": [1.5e-3, "\ud83d\udc1d é\n", {"b": null}], "c": "🐝", "d": -0}"#;
    for bytes in damaged(whole.as_bytes(), 20_000) {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(value) = text.parse::<Json>() {
            assert_eq!(read(&value.to_string()), value);
        }
    }
}
