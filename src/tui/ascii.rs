//! Turns a drawn frame into ASCII for terminals that show nothing else.
//!
//! Done once on the finished cells, so that no screen has to know two sets of shapes.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// Replaces every symbol that is not ASCII by the one that stands for it, else by `?`.
pub(crate) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if !symbol.is_ascii() {
            let plain = stand_in(symbol);
            // The second cell of a wide symbol is blank already.
            debug_assert!(plain.width() == 1);
            cell.set_symbol(plain);
        }
    }
}

fn stand_in(symbol: &str) -> &'static str {
    match symbol {
        "●" | "•" => "*",
        "○" => "o",
        "◌" => "~",
        "✕" | "×" => "x",
        "✓" | "▲" | "▴" => "^",
        "─" | "–" | "—" | "·" => "-",
        "│" | "▌" | "┃" => "|",
        "┌" | "┐" | "└" | "┘" | "├" => "+",
        "…" => "~",
        "▾" => "v",
        "▸" | "›" => ">",
        "‹" => "<",
        "◆" => "#",
        "↑" => "^",
        "↓" => "v",
        "▁" => "_",
        "▂" => ".",
        "▃" => "-",
        "▄" => "=",
        "▅" => "+",
        "▆" => "*",
        "▇" => "%",
        "█" => "#",
        "’" | "‘" => "'",
        "“" | "”" => "\"",
        "\u{a0}" => " ",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn known_shapes_have_a_stand_in_and_others_a_question_mark() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "● ○ ─ … é 漢", Style::new());
        to_ascii(&mut buffer);
        let line: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(line, "* o - ~ ? ? ");
    }
}
