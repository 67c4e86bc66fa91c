import { parseArgs } from 'node:util';
import type { ConfigResult, Variable } from './environment.ts';
import { errorText } from './text.ts';

/** How a program starts: with a whole configuration, or with a text and its end. */
type Start<Config> =
  | { readonly kind: 'run'; readonly config: Config }
  | { readonly kind: 'end'; readonly exitCode: 0 | 2; readonly text: string };

interface StartOptions<Config> {
  /** As it is typed: `node agent`. */
  readonly program: string;
  /** What --help says. */
  readonly usage: string;
  readonly version: string;
  readonly readConfig: () => ConfigResult<Config>;
  /** What --check-config prints of a valid configuration besides that it is valid, a line each. */
  readonly describe?: (config: Config) => readonly string[];
}

/**
 * Reads the arguments of a program that takes --check-config, --help and --version, and then its configuration. Ends the process after what
 * they ask for (exit code 0), and after what is wrong with them (2).
 */
export function configOrExit<Config>(args: readonly string[], options: StartOptions<Config>): Config {
  const start = readStart(args, options);
  if (start.kind === 'run') return start.config;
  (start.exitCode === 0 ? process.stdout : process.stderr).write(start.text);
  process.exit(start.exitCode);
}

/** Ends the process with one line that says why. */
export function fail(line: string, exitCode: 1 | 2 = 1): never {
  console.error(line);
  process.exit(exitCode);
}

function readStart<Config>(args: readonly string[], options: StartOptions<Config>): Start<Config> {
  const { program, usage, version, readConfig, describe = () => [] } = options;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        'check-config': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    }));
  } catch (error) {
    return { kind: 'end', exitCode: 2, text: `${errorText(error)}. See "${program} --help".\n` };
  }
  if (values.help === true) return { kind: 'end', exitCode: 0, text: usage };
  if (values.version === true) return { kind: 'end', exitCode: 0, text: `${version}\n` };
  const result = readConfig();
  if (!result.ok) return { kind: 'end', exitCode: 2, text: `${result.problems.join('\n')}\n` };
  if (values['check-config'] === true) {
    const lines = ['The configuration is valid.', ...describe(result.config)];
    return { kind: 'end', exitCode: 0, text: `${lines.join('\n')}\n` };
  }
  return { kind: 'run', config: result.config };
}

/** The variables as --help lists them, a line each. */
export function describeVariables(variables: readonly Variable[]): string {
  const width = Math.max(...variables.map(({ name }) => name.length));
  return variables
    .map((variable) => `  ${variable.name.padEnd(width)}  ${variable.meaning}${defaultOf(variable)}`)
    .join('\n');
}

function defaultOf({ default: value }: Variable): string {
  return value === undefined ? ' (required)' : value === '' ? '' : ` (${value})`;
}
