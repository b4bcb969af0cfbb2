// SPDX-License-Identifier: GPL-2.0
//! Draws the screen of `mdp2p top`.
//!
//! Tests: those below.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::screen::Screen;
use crate::counters::presentation::{ALL_COLUMNS, COLUMNS, Column, FEW_COLUMNS};
use crate::counters::sample::ProviderMemory;
use crate::ui;

/// Draws the screen with ASCII.
pub fn draw_plainly(frame: &mut Frame, screen: &Screen) {
    draw(frame, screen);
    for cell in &mut frame.buffer_mut().content {
        let plain: String = cell.symbol().chars().map(ui::ascii).collect();
        cell.set_symbol(&plain);
    }
}

/// Draws the screen.
pub fn draw(frame: &mut Frame, screen: &Screen) {
    let area = frame.area();
    // Providers get a third of the screen at most, with their heading.
    let lines = screen.providers.len().min(usize::from(area.height) / 3);
    let memory = match lines {
        0 => 0,
        lines => u16::try_from(lines + 1).unwrap_or(u16::MAX),
    };
    let [title, table, memory, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(memory),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(heading(screen, area.width), title);
    if screen.arrays.is_empty() {
        frame.render_widget(Paragraph::new("\nNo arrays of md-p2p."), table);
    } else {
        draw_arrays(frame, screen, table);
    }
    frame.render_widget(provider_lines(&screen.providers, lines), memory);
    let help = "q end  m members  +- interval  ↑↓ scroll";
    frame.render_widget(Line::from(help).dim(), keys);
}

fn heading(screen: &Screen, width: u16) -> Line<'static> {
    let arrays = match screen.arrays.len() {
        1 => "1 array".to_owned(),
        number => format!("{number} arrays"),
    };
    let unit = if width < 60 {
        "B/s"
    } else {
        "bytes per second"
    };
    let interval = screen.interval.as_secs_f64();
    Line::from(vec![
        Span::from("mdp2p top").bold(),
        Span::from(format!("  {arrays}, {unit}, every {interval} s")),
    ])
}

/// Widths of a number, of a name and of a state, in columns of the terminal.
const NUMBER: u16 = 8;
const NAME: u16 = 10;
const STATE: u16 = 6;

fn draw_arrays(frame: &mut Frame, screen: &Screen, area: Rect) {
    let fits = |columns: &&[Column]| {
        NAME + 1 + STATE + (NUMBER + 1) * (columns.len() as u16) <= area.width
    };
    let (columns, with_state) = match [ALL_COLUMNS, COLUMNS].into_iter().find(fits) {
        Some(columns) => (columns, true),
        None => (FEW_COLUMNS, false),
    };
    let mut widths = vec![Constraint::Length(NAME)];
    let mut head = vec![Cell::from("\nARRAY")];
    if with_state {
        widths.push(Constraint::Length(STATE));
        head.push(Cell::from("\nP2P"));
    }
    for column in columns {
        widths.push(Constraint::Length(NUMBER));
        head.push(right_aligned(column.head.to_owned()));
    }
    // The remaining width is for the history.
    let taken: u16 =
        NAME + if with_state { STATE + 1 } else { 0 } + (NUMBER + 1) * columns.len() as u16;
    let left = area.width.saturating_sub(taken + 1);
    widths.push(Constraint::Fill(1));
    let mut rows = Vec::new();
    for array in &screen.arrays {
        let style = state_style(&array.state);
        let history = screen.history.get(&array.name);
        let mut cells = vec![Cell::from(array.name.clone()).style(style.bold())];
        if with_state {
            cells.push(Cell::from(array.state.clone()).style(style));
        }
        cells.extend(numbers(columns, array.per_second.as_ref(), |column| {
            column.array
        }));
        cells.push(Cell::from(history.map_or_else(String::new, |history| {
            sparkline(history, usize::from(left))
        })));
        rows.push(Row::new(cells));
        if !screen.with_members {
            continue;
        }
        for member in &array.members {
            let mut cells = vec![Cell::from(format!(" {}", member.name))];
            if with_state {
                cells.push(Cell::from(""));
            }
            cells.extend(numbers(columns, member.per_second.as_ref(), |column| {
                column.member
            }));
            rows.push(Row::new(cells).dim());
        }
    }
    let rows = rows.into_iter().skip(screen.scrolled);
    let table = Table::new(rows, widths).header(Row::new(head).height(2).bold());
    frame.render_widget(table, area);
}

/// Returns the numbers of a row; a dash stands for a rate that is not known yet.
fn numbers<'a, Rates>(
    columns: &'a [Column],
    rates: Option<&'a Rates>,
    value: fn(&Column) -> fn(&Rates) -> String,
) -> impl Iterator<Item = Cell<'static>> + 'a {
    columns.iter().map(move |column| {
        right_aligned(match rates {
            Some(rates) => value(column)(rates),
            None => "–".to_owned(),
        })
    })
}

fn right_aligned(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).right_aligned())
}

fn state_style(state: &str) -> Style {
    Style::new().fg(match state {
        "direct" => Color::Green,
        "staged" => Color::Yellow,
        _ => Color::Red,
    })
}

/// Draws the last `width` values as bars, of which the largest is full.
fn sparkline(history: &VecDeque<u64>, width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = history.iter().skip(history.len().saturating_sub(width));
    let most = values.clone().copied().max().unwrap_or(0);
    let bar = |value: &u64| {
        if *value == 0 {
            return ' ';
        }
        let part = *value as f64 / most as f64;
        BARS[((part * 8.0).ceil() as usize).clamp(1, 8) - 1]
    };
    values.map(bar).collect()
}

/// Returns a heading, and at most `lines` lines below it: one for each provider.
fn provider_lines(providers: &[ProviderMemory], lines: usize) -> Paragraph<'static> {
    const BAR: usize = 8;
    let mut text = vec![Line::from("PROVIDER      FREE").bold()];
    let hidden = providers.len().saturating_sub(lines);
    // The last line counts the providers for which there is no room.
    let visible = if hidden > 0 {
        lines.saturating_sub(1)
    } else {
        lines
    };
    for provider in providers.iter().take(visible) {
        let free = match provider.bytes {
            0 => 0.0,
            all => (provider.available_bytes as f64 / all as f64).min(1.0),
        };
        let full = (free * BAR as f64).round() as usize;
        let published = match provider.published {
            true => "",
            false => ", not published",
        };
        text.push(Line::from(format!(
            "{}  {}{} {} of {}{published}",
            provider.address,
            "█".repeat(full),
            "░".repeat(BAR - full),
            ui::bytes(provider.available_bytes),
            ui::bytes(provider.bytes)
        )));
    }
    if hidden > 0 {
        text.push(Line::from(format!("and {} more", providers.len() - visible)).dim());
    }
    Paragraph::new(text)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use std::time::Duration;

    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::counters::rate::{ArrayCounts, Dma, MemberCount};
    use mdp2p_machine::md::counters::Counters;

    fn array(name: &str, state: &str, rates: Option<Counters>) -> ArrayCounts {
        let dma = Dma {
            read_bytes: 1 << 20,
            write_bytes: 3 << 20,
        };
        ArrayCounts {
            name: name.into(),
            aliases: Vec::new(),
            level: "raid1".into(),
            state: state.into(),
            degraded: 0,
            counted: Counters::default(),
            per_second: rates,
            members: vec![MemberCount {
                name: "nvme0n1".into(),
                counted: dma,
                per_second: rates.map(|_| dma),
            }],
        }
    }

    fn rates() -> Counters {
        Counters {
            read_direct_bytes: 3 << 29,
            read_staged_bytes: (1000 << 20) + (1 << 19),
            write_direct_bytes: 12 << 20,
            write_staged_bytes: 512,
            staged_engine_bytes: 900 << 20,
            refused_ios: 7,
            rebuild_peer_bytes: 64 << 20,
            rebuild_host_bytes: 4096,
            ..Counters::default()
        }
    }

    fn provider(bus: u8) -> ProviderMemory {
        ProviderMemory {
            address: format!("0000:{bus:02x}:00.0").parse().expect("an address"),
            bytes: 16 << 20,
            available_bytes: 12 << 20,
            published: true,
        }
    }

    fn screen() -> Screen {
        let mut screen = Screen::new(Duration::from_secs(1));
        let arrays = vec![
            array("md0", "direct", Some(rates())),
            array("md127", "staged", None),
        ];
        screen.update(arrays, vec![provider(3), provider(4)]);
        screen
    }

    fn drawn(screen: &Screen, width: u16, height: u16) -> String {
        drawn_by(draw, screen, width, height)
    }

    fn drawn_by(draw: fn(&mut Frame, &Screen), screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, screen)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..height {
            let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn press(screen: &mut Screen, code: KeyCode) -> bool {
        screen.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn everything_fits_80_columns() {
        let mut screen = screen();
        press(&mut screen, KeyCode::Char('m'));
        insta::assert_snapshot!(drawn(&screen, 80, 13), @r"
        mdp2p top  2 arrays, bytes per second, every 1 s
                             READ     READ    WRITE    WRITE  REFUSED  REBUILD  REBUILD
        ARRAY     P2P      DIRECT   STAGED   DIRECT   STAGED     I/OS     PEER     HOST
        md0       direct  1.5 GiB 1000 MiB   12 MiB    512 B        7   64 MiB    4 KiB
         nvme0n1            1 MiB             3 MiB
        md127     staged        –        –        –        –        –        –        –
         nvme0n1                –        –        –        –        –        –        –


        PROVIDER      FREE
        0000:03:00.0  ██████░░ 12 MiB of 16 MiB
        0000:04:00.0  ██████░░ 12 MiB of 16 MiB
        q end  m members  +- interval  ↑↓ scroll
        ");
    }

    #[test]
    fn a_wide_terminal_tells_what_engines_copied() {
        let drawn = drawn(&screen(), 120, 8);
        let [_, above, heads, md0, ..] = drawn.lines().collect::<Vec<_>>()[..] else {
            panic!("{drawn}");
        };
        assert!(above.ends_with("REBUILD  REBUILD   ENGINE"), "{drawn}");
        assert!(heads.ends_with("PEER     HOST   STAGED"), "{drawn}");
        assert!(md0.contains("64 MiB    4 KiB  900 MiB"), "{drawn}");
    }

    #[test]
    fn a_narrow_terminal_has_fewer_columns() {
        insta::assert_snapshot!(drawn(&screen(), 40, 10), @r"
        mdp2p top  2 arrays, B/s, every 1 s

        ARRAY        DIRECT   STAGED  REBUILD
        md0         1.5 GiB 1000 MiB   64 MiB █
        md127             –        –        –

        PROVIDER      FREE
        0000:03:00.0  ██████░░ 12 MiB of 16 MiB
        0000:04:00.0  ██████░░ 12 MiB of 16 MiB
        q end  m members  +- interval  ↑↓ scroll
        ");
    }

    #[test]
    fn a_locale_without_signs_gets_letters() {
        let text = drawn_by(draw_plainly, &screen(), 40, 10);
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("######.. 12 MiB of 16 MiB"), "{text}");
        assert!(text.contains("^v scroll"), "{text}");
    }

    #[test]
    fn a_wide_terminal_shows_the_history() {
        let mut screen = screen();
        for part in [1, 4, 8, 0] {
            let rates = Counters {
                read_direct_bytes: part << 20,
                ..Counters::default()
            };
            screen.update(vec![array("md0", "direct", Some(rates))], Vec::new());
        }
        let text = drawn(&screen, 100, 6);
        // The value that screen() set before was far larger.
        assert!(text.contains("█▁▁▁"), "{text}");
    }

    #[test]
    fn no_size_is_too_small() {
        let mut screen = screen();
        for with_members in [false, true] {
            screen.with_members = with_members;
            for width in [1, 2, 9, 17, 40, 73, 80, 81, 300] {
                for height in [1, 2, 3, 4, 10, 50] {
                    drawn(&screen, width, height);
                }
            }
        }
    }

    #[test]
    fn a_screen_without_arrays_says_so() {
        let screen = Screen::new(Duration::from_secs(1));
        let text = drawn(&screen, 40, 6);
        assert!(text.contains("No arrays of md-p2p."), "{text}");
        assert!(text.contains("0 arrays"), "{text}");
    }

    #[test]
    fn arrays_come_and_go_with_their_history() {
        let mut screen = screen();
        assert!(screen.history.contains_key("md0"));
        screen.update(vec![array("md5", "off", Some(rates()))], Vec::new());
        assert_eq!(screen.history.keys().collect::<Vec<_>>(), ["md5"]);
        let text = drawn(&screen, 80, 10);
        assert!(text.contains("md5") && !text.contains("md0"), "{text}");
        screen.update(Vec::new(), Vec::new());
        assert!(screen.history.is_empty());
    }

    #[test]
    fn more_providers_than_there_is_room_for_are_counted() {
        let mut screen = Screen::new(Duration::from_secs(1));
        screen.update(Vec::new(), (0..20).map(provider).collect());
        let text = drawn(&screen, 60, 12);
        assert!(text.contains("0000:02:00.0"), "{text}");
        assert!(!text.contains("0000:03:00.0"), "{text}");
        assert!(text.contains("and 17 more"), "{text}");
    }

    #[test]
    fn the_last_row_cannot_be_scrolled_away() {
        let mut screen = screen();
        for _ in 0..5 {
            press(&mut screen, KeyCode::Down);
        }
        assert_eq!(screen.scrolled, 1);
        let text = drawn(&screen, 80, 10);
        assert!(text.contains("md127") && !text.contains("md0 "), "{text}");
        press(&mut screen, KeyCode::Char('m'));
        press(&mut screen, KeyCode::Down);
        press(&mut screen, KeyCode::Down);
        press(&mut screen, KeyCode::Down);
        assert_eq!(screen.scrolled, 3);
        press(&mut screen, KeyCode::Char('m'));
        assert_eq!(screen.scrolled, 1);
        press(&mut screen, KeyCode::Up);
        press(&mut screen, KeyCode::Up);
        assert_eq!(screen.scrolled, 0);
    }
}
