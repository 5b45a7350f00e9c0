//! What the head of a page says. Reads tags one after the other: no tree, no recursion, each
//! character looked at a bounded number of times. Pure.

use url::Url;

const TITLE_CHARACTERS_MAX: usize = 300;
const DESCRIPTION_CHARACTERS_MAX: usize = 1_000;
const URL_CHARACTERS_MAX: usize = 2_048;
/// Attributes of a tag that are looked at.
const ATTRIBUTES_MAX: usize = 32;

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    pub title: String,
    pub description: Option<String>,
    /// Of an image, `http` or `https`. The server does not fetch it.
    pub image_url: Option<String>,
    pub site_name: String,
}

#[derive(Default)]
struct Found {
    title: Option<String>,
    shown_title: Option<String>,
    description: Option<String>,
    shown_description: Option<String>,
    image: Option<String>,
    site: Option<String>,
}

/// The preview of a page at `url`; `None` when it has no title.
pub(super) fn preview(html: &str, url: &Url) -> Option<Preview> {
    let found = read(html);
    let title = found.shown_title.or(found.title)?;
    let image = found.image.and_then(|it| url.join(it.trim()).ok());
    let image = image.filter(|it| matches!(it.scheme(), "http" | "https"));
    let image_url = image.map(|it| it.to_string()).filter(|it| it.len() <= URL_CHARACTERS_MAX);
    let host = || url.host_str().unwrap_or_default().to_owned();
    Some(Preview {
        title,
        description: found.shown_description.or(found.description),
        image_url,
        site_name: found.site.unwrap_or_else(host),
    })
}

fn read(html: &str) -> Found {
    let mut found = Found::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else { break };
            rest = &comment[end + 3..];
            continue;
        }
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        match name.as_str() {
            "meta" => {
                let (attributes, after) = attributes(&rest[end..]);
                meta(&attributes, &mut found);
                rest = after;
            }
            // What stands in these is text, whatever it looks like.
            "title" | "script" | "style" | "textarea" | "noscript" | "svg" => {
                let Some(open) = rest.find('>') else { break };
                let inside = &rest[open + 1..];
                let Some(close) = find_end(inside, &name) else { break };
                if name == "title" && found.title.is_none() {
                    found.title = text(&inside[..close], TITLE_CHARACTERS_MAX);
                }
                rest = &inside[close..];
            }
            "body" => break,
            _ => rest = &rest[end..],
        }
    }
    found
}

/// Where `</name` stands.
fn find_end(text: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let at = from + at;
        let after = text.as_bytes().get(at + 2..at + 2 + name.len());
        if after.is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes())) {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

/// The attributes of a tag, from behind its name, and what comes after the tag.
fn attributes(text: &str) -> (Vec<(String, &str)>, &str) {
    let mut attributes = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|it: char| it.is_ascii_whitespace() || it == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let is_end = |it: char| it.is_ascii_whitespace() || "=>/".contains(it);
        // At least one character, so that it goes on.
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end = rest[first..].find(is_end).map_or(rest.len(), |at| first + at);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|it| matches!(it, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                None => {
                    let end = after.find(|it: char| it.is_ascii_whitespace() || it == '>');
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
        }
        if attributes.len() < ATTRIBUTES_MAX {
            attributes.push((name, value));
        }
    }
}

fn meta(attributes: &[(String, &str)], found: &mut Found) {
    let value = |name: &str| attributes.iter().find(|it| it.0 == name).map(|it| it.1);
    let (Some(content), Some(name)) = (value("content"), value("property").or(value("name")))
    else {
        return;
    };
    let (place, characters_max) = match name.trim().to_ascii_lowercase().as_str() {
        "og:title" | "twitter:title" => (&mut found.shown_title, TITLE_CHARACTERS_MAX),
        "og:description" | "twitter:description" => {
            (&mut found.shown_description, DESCRIPTION_CHARACTERS_MAX)
        }
        "description" => (&mut found.description, DESCRIPTION_CHARACTERS_MAX),
        "og:image" | "og:image:secure_url" | "twitter:image" => {
            (&mut found.image, URL_CHARACTERS_MAX)
        }
        "og:site_name" => (&mut found.site, TITLE_CHARACTERS_MAX),
        _ => return,
    };
    if place.is_none() {
        *place = text(content, characters_max);
    }
}

/// Text as people read it: entities resolved, white space as one space, cut; `None` for none.
fn text(raw: &str, characters_max: usize) -> Option<String> {
    let mut text = String::new();
    let (mut characters, mut is_apart) = (0, false);
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let (character, length) = entity(rest).unwrap_or((first, first.len_utf8()));
        rest = &rest[length..];
        if character.is_whitespace() || character.is_control() {
            is_apart = !text.is_empty();
            continue;
        }
        if characters >= characters_max {
            text.push('…');
            break;
        }
        if std::mem::take(&mut is_apart) {
            text.push(' ');
            characters += 1;
        }
        text.push(character);
        characters += 1;
    }
    (!text.is_empty()).then_some(text)
}

/// The character that an entity at the beginning of `text` means, and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix('&')?;
    // None is longer; without the bound each `&` would look through the rest.
    let end = body.bytes().take(10).position(|it| it == b';')?;
    let name = &body[..end];
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let hex = number.strip_prefix(['x', 'X']);
            let code = match hex {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
        None => match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => ' ',
            "ndash" => '–',
            "mdash" => '—',
            "hellip" => '…',
            "rsquo" => '’',
            "lsquo" => '‘',
            "rdquo" => '”',
            "ldquo" => '“',
            _ => return None,
        },
    };
    Some((character, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview_of(html: &str) -> Option<Preview> {
        preview(html, &Url::parse("https://news.example/a/b").unwrap())
    }

    #[test]
    fn what_a_page_shows_counts_before_what_it_is_called() {
        let page = preview_of(
            "<!DOCTYPE html><!-- <title>no</title> --><HTML><head><script>\"<title>no</title>\"</script>
             <TITLE lang=en> A &amp;  B\n&#x1F980; </TITLE>
             <meta name=description content='plain'>
             <meta content=\"Shown &quot;title&quot;\" property=\"og:title\"/>
             <meta property=og:image content=../c.png><meta property='og:site_name' content=News>
             </head><body><meta property=og:description content=no>",
        );
        let page = page.unwrap();
        assert_eq!(page.title, "Shown \"title\"");
        assert_eq!(page.description.as_deref(), Some("plain"));
        assert_eq!(page.image_url.as_deref(), Some("https://news.example/c.png"));
        assert_eq!(page.site_name, "News");
        let page = preview_of("<title> A &amp;  B\n&#x1F980; </title>").unwrap();
        assert_eq!((page.title.as_str(), page.site_name.as_str()), ("A & B 🦀", "news.example"));
    }

    #[test]
    fn images_lead_to_the_web_alone() {
        for image in ["javascript:alert(1)", "data:image/png;base64,x", "file:///etc/passwd"] {
            let html = format!("<title>t</title><meta property=og:image content=\"{image}\">");
            assert_eq!(preview_of(&html).unwrap().image_url, None, "{image}");
        }
    }

    #[test]
    fn broken_pages_end() {
        for html in [
            "",
            "<",
            "<title",
            "<title>",
            "<title>never closed",
            "<meta",
            "<meta property=",
            "<meta property=\"og:title",
            "<meta = = =>",
            "<!--",
            "<script><title>x</title>",
            "&#x110000;&#99999999999;&;",
        ] {
            assert_eq!(preview_of(html), None, "{html}");
        }
        let long = format!("<title>{}</title>", "x".repeat(5_000));
        assert_eq!(preview_of(&long).unwrap().title.chars().count(), TITLE_CHARACTERS_MAX + 1);
    }

    #[test]
    fn deep_and_hostile_pages_take_no_longer_than_their_length() {
        let deep = "<div>".repeat(10_000) + "<title>deep</title>";
        assert_eq!(preview_of(&deep).unwrap().title, "deep");
        let begun = tokio::time::Instant::now();
        for part in ["<", "<!-", "<meta ", "<title>", "</", "&", "<meta a=\"", "<script", "<a b='"]
        {
            let _ = preview_of(&part.repeat(1024 * 1024 / part.len()));
        }
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
