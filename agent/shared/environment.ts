import { didYouMean } from './text.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable of the environment, as the documents' tables and --help show it. */
export interface Variable {
  readonly name: string;
  /** Undefined when it must be set. */
  readonly default: string | undefined;
  readonly meaning: string;
}

export type ConfigResult<Config> =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly string[] };

export interface ReaderOptions<N extends string> {
  readonly variables: readonly (Variable & { readonly name: N })[];
  /** What the program's own variables begin with: one that is not known is a slip. */
  readonly prefix: string;
  /** Variables whose values are never said. */
  readonly secrets: readonly N[];
}

/** Reads variables one by one, and notes all that is wrong with them, each a sentence without a secret. */
export interface Reader<N extends string> {
  readonly problems: string[];
  /** A variable's value read, or its problem noted. An empty one counts as not set. */
  readonly read: <T>(name: N, parse: (value: string) => T | undefined, expected: string) => T | undefined;
}

export function createReader<N extends string>(
  environment: Environment,
  { variables, prefix, secrets }: ReaderOptions<N>,
): Reader<N> {
  const names = variables.map(({ name }) => name);
  const own = names.filter((name) => name.startsWith(prefix));
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !own.some((known) => known === name))
    .map((name) => `${name} is not known${didYouMean(name, names) || `: there are ${own.join(', ')}.`}`);
  return {
    problems,
    read(name, parse, expected) {
      const given = environment[name]?.trim() ?? '';
      const value = given === '' ? variables.find((candidate) => candidate.name === name)?.default : given;
      if (value === undefined) {
        problems.push(`${name} is not set: it must be ${expected}.`);
        return undefined;
      }
      const parsed = parse(value);
      // In front of an address' @ may be a user.
      const isSecret = secrets.includes(name) || value.includes('@');
      if (parsed === undefined)
        problems.push(`${name}${isSecret ? '' : `=${value}`} cannot be used: it must be ${expected}.`);
      return parsed;
    },
  };
}
