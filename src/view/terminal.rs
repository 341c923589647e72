//! The terminal: taken for the picture, and given back as it was, whatever happens.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, KeyEvent};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use super::screen::Screen;

/// Whether the terminal is taken: it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while the picture has it. Nothing else may be printed before it is dropped.
#[derive(Debug)]
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Terminal {
    /// Whether there is a terminal that a picture can be drawn on, and a person at it.
    pub fn is_available() -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        io::stdin().is_terminal() && io::stdout().is_terminal() && (cfg!(windows) || !is_dumb)
    }

    /// Whether colours are welcome: not where `NO_COLOR` is set to anything.
    pub fn has_colour() -> bool {
        std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
    }

    /// Takes the terminal: keys come one by one, the picture has a screen of its own. A panic gives it back before it
    /// is reported.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                report(panic);
            }));
        });
        TAKEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, Hide))
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(BufWriter::new(io::stdout()))));
        match taken {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Draws what the screen shows; how often is the caller's affair.
    pub fn draw(&mut self, screen: &Screen, now: Duration) -> io::Result<()> {
        self.inner.draw(|canvas| screen.draw(canvas, now)).map(|_| ())
    }

    /// The next key within `patience`. A window of another size ends the wait too, without a key.
    pub fn key(&mut self, patience: Duration) -> io::Result<Option<KeyEvent>> {
        if !event::poll(patience)? {
            return Ok(None);
        }
        Ok(event::read()?.as_key_event())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if it is taken. There is nobody to tell where that fails.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = io::stdout().flush();
    }
}
