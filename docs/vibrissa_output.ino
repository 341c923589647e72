// The reference output device of Vibrissa: up to eight TTL lines, for a laser, a shutter or a stimulator.
//
// Runs on any board of the Arduino family (Uno, Nano, Leonardo, Teensy, RP2040). Nothing here waits: pulses end and the
// watchdog barks in time, whatever the serial line does.
//
// WIRING: what fails must fail dark.
//   - Each output pin goes to an input of the laser driver that is *active high*, and through a pull-down resistor of
//     10 kOhm to ground AT THE DRIVER. While the board starts, resets, is flashed or has lost its supply its pins float;
//     a cable may be pulled off. In each of these the resistor keeps the input low, and the light off. Never use an input
//     that is active low, and never a pull-up.
//   - Choose pins that no boot loader blinks or pulls up: not 13 (the lamp of most boards), not 0 and 1 (serial).
//   - Ground of the board and of the driver are joined. A driver that wants 5 V from a board of 3.3 V needs a buffer
//     (74AHCT125), its own pull-down at its output included.
//   - The interlock, the key and the shutter of the laser are not replaced by any of this.
//
// PROTOCOL: lines of ASCII, ended by '\n'; each is said back, which the other side compares.
//   V                       greeting; answer: VIBRISSA 1 <watchdog in milliseconds>
//   P <channel> <micros>    on for so long from now, timed here. Replaces what the channel was doing: longer, shorter,
//                           or off with 0
//   0                       every channel off
//   B                       heartbeat
// Empty lines mean nothing. Whatever else comes turns everything off and is not answered: the other side then knows.
// When no whole line came for WATCHDOG_MILLIS, everything is off.

const uint8_t PINS[] = {2, 3, 4, 5, 6, 7, 8, 9};  // channels 1, 2, ...
const uint8_t CHANNELS = sizeof(PINS) / sizeof(PINS[0]);

const unsigned long BAUD = 115200;
const unsigned long WATCHDOG_MILLIS = 250;     // Vibrissa takes 50 to 1000
const unsigned long ON_MICROS_MAX = 600000000;  // 10 minutes: the board's own limit, whoever asks for more
const uint8_t LINE_MAX = 24;                    // longer than any command

bool lit[CHANNELS];
unsigned long litSince[CHANNELS];  // micros()
unsigned long litFor[CHANNELS];

char line[LINE_MAX + 1];
uint8_t lineLength = 0;
bool lineTooLong = false;
unsigned long heardLast = 0;  // millis()

void off(uint8_t channel) {
  digitalWrite(PINS[channel], LOW);
  lit[channel] = false;
}

void allOff() {
  for (uint8_t channel = 0; channel < CHANNELS; channel++) off(channel);
}

void on(uint8_t channel, unsigned long forMicros) {
  litSince[channel] = micros();
  litFor[channel] = forMicros;
  lit[channel] = true;
  digitalWrite(PINS[channel], HIGH);
}

// Ends what is over. Differences of unsigned times are right when the clock wraps (after 71 minutes).
void keepTime() {
  for (uint8_t channel = 0; channel < CHANNELS; channel++) {
    if (lit[channel] && micros() - litSince[channel] >= litFor[channel]) off(channel);
  }
  if (millis() - heardLast >= WATCHDOG_MILLIS) allOff();
}

// Answers only what fits at once: writing may otherwise wait for a host that does not read, with the light on. A host
// that misses an answer takes this device for failed, which is what it wants to know.
void answer(const char *text) {
  if (Serial.availableForWrite() < (int)strlen(text) + 2) return;
  Serial.print(text);
  Serial.print("\r\n");
}

// A number of digits only, at `at`, which is moved behind it.
bool readNumber(const char *&at, unsigned long max, unsigned long &number) {
  if (*at < '0' || *at > '9') return false;
  number = 0;
  for (; *at >= '0' && *at <= '9'; at++) {
    unsigned long digit = *at - '0';
    if (digit > max || number > (max - digit) / 10) return false;
    number = number * 10 + digit;
  }
  return true;
}

bool pulse(const char *at) {
  unsigned long channel, forMicros;
  if (!readNumber(at, CHANNELS, channel) || channel == 0 || *at++ != ' ') return false;
  if (!readNumber(at, ON_MICROS_MAX, forMicros) || *at != '\0') return false;
  if (forMicros == 0) {
    off(channel - 1);
  } else {
    on(channel - 1, forMicros);
  }
  return true;
}

void greet() {
  char text[24] = "VIBRISSA 1 ";
  ultoa(WATCHDOG_MILLIS, text + strlen(text), 10);
  answer(text);
}

void obey() {
  heardLast = millis();
  if (strcmp(line, "V") == 0) {
    greet();
  } else if (strcmp(line, "B") == 0) {
    answer(line);
  } else if (strcmp(line, "0") == 0) {
    allOff();
    answer(line);
  } else if (line[0] == 'P' && line[1] == ' ' && pulse(line + 2)) {
    answer(line);
  } else {
    allOff();
  }
}

void hear(char letter) {
  if (letter == '\r') return;
  if (letter != '\n') {
    if (lineLength < LINE_MAX) {
      line[lineLength++] = letter;
    } else {
      lineTooLong = true;
    }
    return;
  }
  line[lineLength] = '\0';
  if (lineTooLong) {
    allOff();
  } else if (lineLength > 0) {
    obey();
  }
  lineLength = 0;
  lineTooLong = false;
}

void setup() {
  for (uint8_t channel = 0; channel < CHANNELS; channel++) {
    digitalWrite(PINS[channel], LOW);  // before it is an output: it never starts high
    pinMode(PINS[channel], OUTPUT);
  }
  allOff();
  Serial.begin(BAUD);
}

void loop() {
  keepTime();
  if (Serial.available() > 0) hear((char)Serial.read());
}
