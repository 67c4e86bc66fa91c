import { parseArgs } from 'node:util';
import type { Variable } from './environment.ts';
import { errorText } from './text.ts';

/** What a program was asked to do: to run, to check its environment alone, or to say something and end. */
export type Command =
  | { readonly kind: 'run' | 'check' }
  | { readonly kind: 'say'; readonly text: string }
  | { readonly kind: 'refuse'; readonly sentence: string };

export interface CommandLineOptions {
  /** As it is typed: `node agent/main.ts`. */
  readonly program: string;
  /** What --help says. */
  readonly usage: string;
  readonly version: string;
}

/** Reads the arguments of a program that takes --check-config, --help and --version. */
export function readCommandLine(args: readonly string[], { program, usage, version }: CommandLineOptions): Command {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'check-config': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
    if (values.help === true) return { kind: 'say', text: usage };
    if (values.version === true) return { kind: 'say', text: `${version}\n` };
    return { kind: values['check-config'] === true ? 'check' : 'run' };
  } catch (error) {
    return { kind: 'refuse', sentence: `${errorText(error)}. See "${program} --help".` };
  }
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
