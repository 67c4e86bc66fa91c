import { readSettings } from '../../agent/shared/settings/settings.ts';
import { didYouMean, oneLine, shortLine } from '../../agent/shared/text.ts';
import { BrokerError, ParametersRefused } from '../errors.ts';
import type { Plan } from './plan.ts';

/** What a user wants of an instance, whole and checked. */
export interface Desired {
  readonly plan: Plan;
  /** The annotation with the settings. */
  readonly settings: string;
  /** The text of the rules among them, which promtool has yet to judge. */
  readonly rules: string | undefined;
  /** '': not said. */
  readonly pool: string;
  /** The version of the image; '': not said. */
  readonly image: string;
  /** Whether apps get variables when they are bound, which restarts them. */
  readonly bindEnv: boolean;
}

export type Parameters = Readonly<Record<string, unknown>>;

const OTHERS = ['pool', 'image', 'bind_env'];
const OF_THE_PLAN = ['storage', 'storage_size'];
/** More are not looked at one by one: there are fewer settings than this. */
const MOST_PARAMETERS = 100;
/** More are not shown, of problems and of names: Tsuru prints the sentence in one line. */
const MOST_PROBLEMS = 5;

/** Reads a plan's name and the parameters, or says everything that is wrong with them in one line. */
export function readDesired(plans: readonly Plan[], planName: string, parameters: Parameters): Desired {
  const plan = findPlan(plans, planName);
  const read = tryParameters(plan, parameters);
  if (!('problems' in read)) return read;
  throw new ParametersRefused(listProblems(read.problems), namesAtFault(plan, parameters));
}

/** Those that are refused alone; else, as two of them contradict each other, those without which the rest is accepted. */
function namesAtFault(plan: Plan, parameters: Parameters): readonly string[] {
  const isRefused = (some: Parameters): boolean => 'problems' in tryParameters(plan, some);
  const given = Object.entries(parameters).slice(0, MOST_PARAMETERS);
  const alone = given.filter(([name, value]) => isRefused({ [name]: value }));
  const atFault =
    alone.length > 0
      ? alone
      : given.filter(([left]) => !isRefused(Object.fromEntries(given.filter(([name]) => name !== left))));
  return atFault.slice(0, MOST_PROBLEMS).map(([name]) => name);
}

function tryParameters(plan: Plan, parameters: Parameters): Desired | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const pool = textIn(parameters, 'pool', problems);
  const image = textIn(parameters, 'image', problems);
  const bindEnv = readBindEnv(parameters, problems) ?? false;
  for (const name of OF_THE_PLAN.filter((key) => key in parameters)) {
    problems.push(`${name} is a matter of the plan: choose another plan.`);
  }
  const result = readSettings(parameters, {
    ...{ defaults: plan.defaults, ceilings: plan.ceilings },
    others: OTHERS,
    hidden: OF_THE_PLAN,
  });
  if (!result.ok) problems.push(...result.problems);
  if (problems.length > 0 || !result.ok) return { problems };
  return { plan, settings: result.text, rules: result.settings.rules, pool, image, bindEnv };
}

function findPlan(plans: readonly Plan[], name: string): Plan {
  const plan = name === '' ? plans.find(({ isDefault }) => isDefault) : plans.find((one) => one.name === name);
  if (plan !== undefined) return plan;
  const names = plans.map((one) => one.name);
  const shown = shortLine(name, 60);
  throw new BrokerError(
    400,
    `There is no plan "${shown}"${didYouMean(shown, names) || `: there are ${names.join(', ')}.`}`,
  );
}

/** Undefined when it is not said. */
export function readBindEnv(parameters: Parameters, problems: string[]): boolean | undefined {
  const value = parameters['bind_env'] ?? '';
  if (value === '') return undefined;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  problems.push('bind_env must be true or false.');
  return undefined;
}

function textIn(parameters: Parameters, name: string, problems: string[]): string {
  const value = parameters[name] ?? '';
  if (typeof value === 'string' && /^[a-zA-Z0-9._-]{0,63}$/.test(value.trim())) return value.trim();
  problems.push(
    name === 'image' ? 'image must be a version, such as 1.2.0.' : `${name} must be the name of a ${name}.`,
  );
  return '';
}

function listProblems(problems: readonly string[]): string {
  const shown = problems.slice(0, MOST_PROBLEMS).map(oneLine);
  const rest = problems.length - shown.length;
  return [...shown, ...(rest > 0 ? [`(and ${rest} more)`] : [])].join(' ');
}
