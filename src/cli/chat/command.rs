//! What a typed line means.

/// One line from the keyboard or the pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Nothing,
    Help,
    List,
    Quit,
    Who,
    /// A conversation's id or a user's name.
    Open(&'a str),
    /// A new group with this name and these users.
    Group {
        name: &'a str,
        members: Vec<&'a str>,
    },
    Say(&'a str),
    Wrong(&'static str),
}

pub(super) const HELP: &str = "\
/open WHAT            a user's name or a conversation's id: show it and write to it
/group NAME USER...   make a group and open it
/list                 your conversations
/who                  who is in the open conversation
/quit                 end (also end of input)
//TEXT                a message that begins with a slash
anything else         is sent to the open conversation";

/// Reads a line. A message that begins with a slash is written with two.
pub(super) fn parse(line: &str) -> Line<'_> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Line::Nothing;
    }
    if line.starts_with("//") {
        return Line::Say(&line[1..]);
    }
    let Some(command) = line.strip_prefix('/') else { return Line::Say(line) };
    let mut words = command.split_whitespace();
    match (words.next().unwrap_or_default(), words.next()) {
        ("help" | "?", _) => Line::Help,
        ("list", _) => Line::List,
        ("who", _) => Line::Who,
        ("quit" | "exit", _) => Line::Quit,
        ("open" | "join", Some(what)) => Line::Open(what),
        ("open" | "join", None) => Line::Wrong("open what? /open NAME or /open ID"),
        ("group", Some(name)) => match words.collect::<Vec<_>>() {
            members if members.is_empty() => Line::Wrong("with whom? /group NAME USER..."),
            members => Line::Group { name, members },
        },
        ("group", None) => Line::Wrong("what is its name? /group NAME USER..."),
        _ => Line::Wrong("no such command; /help lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_messages() {
        for (line, meaning) in [
            ("", Line::Nothing),
            ("  \n", Line::Nothing),
            ("hello world\r\n", Line::Say("hello world")),
            ("//etc is a folder", Line::Say("/etc is a folder")),
            ("/open bob", Line::Open("bob")),
            ("/group tea bob carol", Line::Group { name: "tea", members: vec!["bob", "carol"] }),
            ("/quit", Line::Quit),
        ] {
            assert_eq!(parse(line), meaning, "{line:?}");
        }
        for line in ["/open", "/group", "/group tea", "/dance"] {
            assert!(matches!(parse(line), Line::Wrong(_)), "{line:?}");
        }
    }
}
