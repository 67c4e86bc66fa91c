import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { errorText } from '../../shared/text.ts';
import { withoutSecrets } from '../../shared/log.ts';
import { readLogfmt, type LogLine } from '../api/logfmt.ts';

/** How many of its last lines are kept: enough for the reason and what led to it, of a panic its head. */
const KEPT_LINES = 20;
/** A line is cut after this many characters: a panic or a query in a log line can be very long. */
const LONGEST_LINE = 4_096;
/** What it says when it was asked to end, and by whom; what follows may be many lines. */
export const ENDS_BY_REQUEST = /^Received .*(termination request via web service|SIGTERM|OS signal)/;
/** Fields of Prometheus' lines that are left out: the agent's own line has the time. */
const LEFT_OUT = ['ts', 'time', 'caller', 'source'];

/** How a process ended. */
export interface Ending {
  /** Its exit code; null when a signal ended it, or it was never started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines that it wrote. */
  readonly lines: readonly LogLine[];
  /** Why it could not be started. */
  readonly failure?: string;
}

export interface Child {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  /** SIGTERM, and SIGKILL when that is not heard in time. Resolves once it has ended. */
  stop(limitMs: number): Promise<Ending>;
}

export interface ChildOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What no line may show. */
  readonly secrets: () => readonly string[];
  readonly onLine: (line: LogLine) => void;
}

/** Starts a process that logs in logfmt, as Prometheus does. Never throws: what cannot be started has ended. */
export function startChild(options: ChildOptions): Child {
  try {
    return start(options);
  } catch (error) {
    // No memory or no descriptors left.
    const ended = Promise.resolve({ code: null, signal: null, lines: [], failure: errorText(error) });
    return { pid: undefined, ended, stop: () => ended };
  }
}

function start({ command: [program = '', ...args], environment, secrets, onLine }: ChildOptions): Child {
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let lines: readonly LogLine[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<Ending>();
  child.once('error', (error) => {
    resolve({ code: null, signal: null, lines, failure: errorText(error) });
  });
  // After the last line.
  child.once('close', (code, signal) => {
    resolve({ code, signal, lines });
  });
  for (const output of [child.stdout, child.stderr]) {
    onLines(output, (text) => {
      const line = readLine(text, secrets());
      lines = keep(lines, line);
      onLine(line);
    });
  }
  return {
    pid: child.pid,
    ended,
    async stop(limitMs) {
      child.kill('SIGTERM');
      const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
      const ending = await ended;
      clearTimeout(limit);
      return ending;
    },
  };
}

/** Each line, cut; what is beyond that is never kept, as a line may be as long as somebody likes. */
function onLines(output: Readable, onText: (text: string) => void): void {
  let line = '';
  output.setEncoding('utf8');
  output.on('data', (chunk: string) => {
    const [first = '', ...rest] = chunk.split('\n');
    line = append(line, first);
    for (const next of rest) {
      onText(line.replace(/\r$/, ''));
      line = append('', next);
    }
  });
  output.on('end', () => {
    if (line !== '') onText(line);
  });
}

/** A copy: a part of a string keeps the whole of it in memory. */
function append(line: string, more: string): string {
  return Buffer.from(line + more.slice(0, LONGEST_LINE - line.length)).toString();
}

/** The last lines; of a panic its first, which say what it is: the stacks that follow would push them out. Who asked it to end stays. */
function keep(lines: readonly LogLine[], line: LogLine): readonly LogLine[] {
  const panics = lines.findIndex(({ message }) => /^(panic|fatal error): /.test(message));
  if (panics >= 0 && lines.length - panics >= KEPT_LINES / 2) return lines;
  const last = [...lines, line].slice(-KEPT_LINES);
  const [first] = lines;
  return first !== undefined && ENDS_BY_REQUEST.test(first.message) && first !== last[0]
    ? [first, ...last.slice(1)]
    : last;
}

/** Prometheus 2 writes the level in small letters; Prometheus 3 in capitals. */
function readLine(text: string, secrets: readonly string[]): LogLine {
  const clean = (words: string): string => withoutSecrets(withoutUrlSecrets(words), secrets);
  const read = readLogfmt(text);
  // A panic, or what its command line says before it logs.
  if (read === undefined) return { level: 'warn', message: clean(text), fields: {} };
  const { level, msg, ...rest } = read;
  const fields = Object.fromEntries(
    Object.entries(rest).flatMap(([name, value]) => (LEFT_OUT.includes(name) ? [] : [[name, clean(value)] as const])),
  );
  return { level: levelOf(level), message: msg === undefined ? words(fields) : clean(msg), fields };
}

/** Prometheus logs the URLs of receivers whole: user, password and query may hold secrets. */
function withoutUrlSecrets(text: string): string {
  return text.replace(/([a-z]:\/\/)([^\s"]+)/gi, (_, scheme: string, rest: string) => {
    const [place = '', ...query] = rest.split('?');
    return `${scheme}${place.replace(/^[^/]*@/, '')}${query.length === 0 ? '' : '?...'}`;
  });
}

/** Some lines of Prometheus 2 have no message. */
function words(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ');
}

function levelOf(level = ''): LogLine['level'] {
  const word = level.toLowerCase();
  return word === 'debug' || word === 'info' || word === 'error' ? word : 'warn';
}

/** A line in one sentence, with the error that it carries. */
export function lineText({ message, fields }: LogLine): string {
  const error = fields['err'] ?? fields['error'];
  return typeof error === 'string' ? `${message}: ${error}` : message;
}
