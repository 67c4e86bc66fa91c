import { parseArgs } from 'node:util';
import type { Environment } from '../../agent/shared/environment.ts';
import { errorText } from '../../agent/shared/text.ts';

/** 0: done, and nothing is wrong. 1: something is wrong, or failed. 2: the arguments or the environment cannot be used. */
export type ExitCode = 0 | 1 | 2;

/** An option as it is typed (`--only NAME`), beside --json and --help, which every command takes. */
export interface CommandOption {
  readonly name: string;
  /** What stands for its value in --help; undefined: it takes none. */
  readonly value?: string;
  readonly meaning: string;
}

/** The options that were given, by name: each value of one that takes any, in order; none for one that was not given. */
export type Given = ReadonlyMap<string, readonly string[]>;

export interface CommandInput {
  readonly given: Given;
  readonly environment: Environment;
  readonly output: Output;
}

/** What an administrator has the program do, once, instead of serving Tsuru. */
export interface Command {
  readonly name: string;
  /** A line of --help. */
  readonly summary: string;
  /** What --help of the command says besides its options. */
  readonly about: string;
  readonly options: readonly CommandOption[];
  /** @throws {UsageError} when what was given cannot be used. */
  readonly run: (input: CommandInput) => Promise<ExitCode>;
}

/** Arguments or variables that cannot be used, each in a sentence with its remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Where a command writes to: one report to the standard output, in JSON or as text, and what it does meanwhile to the error output. */
export interface Output {
  readonly isJson: boolean;
  /** The report: `value` as JSON, or its lines. */
  report(value: unknown, lines: readonly string[]): void;
  /** A line of what is going on. */
  say(line: string): void;
  /** How far it is: a bar on a terminal, which the next line replaces; elsewhere a line of its own. */
  readonly progress: (done: number, of: number, what: string) => void;
}

const COMMON: readonly CommandOption[] = [
  { name: 'json', meaning: 'prints the report as JSON' },
  { name: 'help', meaning: 'this' },
];

/** Runs a command with the arguments behind its name; returns the exit code. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  environment: Environment,
  program: string,
): Promise<ExitCode> {
  const help = `See "${program} ${command.name} --help".`;
  try {
    const given = readOptions(command, args);
    if (given.has('help')) {
      process.stdout.write(usageOf(command, program));
      return 0;
    }
    return await command.run({ given, environment, output: createOutput(given.has('json')) });
  } catch (error) {
    const isUsage = error instanceof UsageError;
    process.stderr.write(`${errorText(error).replace(/([^.?])$/, '$1.')}${isUsage ? ` ${help}` : ''}\n`);
    return isUsage ? 2 : 1;
  }
}

function readOptions(command: Command, args: readonly string[]): Given {
  const known = [...command.options, ...COMMON];
  const options = Object.fromEntries(
    known.map(({ name, value }) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', multiple: true } as const,
    ]),
  );
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    return new Map(Object.entries(values).map(([name, list]) => [name, (list ?? []).map(String)]));
  } catch (error) {
    throw new UsageError(errorText(error).split('. ')[0] ?? '');
  }
}

function usageOf({ name, about, options }: Command, program: string): string {
  const rows = [...options, ...COMMON].map(({ name: option, value, meaning }): [string, string] => [
    `--${option}${value === undefined ? '' : ` ${value}`}`,
    meaning,
  ]);
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, meaning]) => `  ${left.padEnd(width)}  ${meaning}`);
  return `Usage: ${program} ${name} [OPTIONS]\n\n${about}\n\n${lines.join('\n')}\n`;
}

/** The last value of an option; undefined without any. */
export function valueOf(given: Given, name: string): string | undefined {
  return given.get(name)?.at(-1);
}

const BAR_WIDTH = 20;
/** Back to the start of the line, and nothing behind what is written next. */
const OVER = '\r\u001b[K';

function createOutput(isJson: boolean): Output {
  const isTerminal = process.stderr.isTTY;
  let hasBar = false;
  function say(line: string): void {
    process.stderr.write(`${hasBar ? OVER : ''}${line}\n`);
    hasBar = false;
  }
  return {
    isJson,
    say,
    report(value, lines) {
      if (hasBar) process.stderr.write(OVER);
      hasBar = false;
      process.stdout.write(isJson ? `${JSON.stringify(value, null, 2)}\n` : `${lines.join('\n')}\n`);
    },
    progress(done, of, what) {
      if (!isTerminal) {
        say(`${done}/${of} ${what}`);
        return;
      }
      const full = Math.round((done / Math.max(1, of)) * BAR_WIDTH);
      process.stderr.write(`${OVER}[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${done}/${of} ${what}`);
      hasBar = true;
    },
  };
}
