import { readPermissions, type Permission } from '../../agent/shared/permissions.ts';
import { asObject, asOptionalArray, asOptionalText, parseJson, ShapeError } from '../../agent/shared/shape.ts';
import { count, errorText, listNames } from '../../agent/shared/text.ts';
import { TsuruError, type TsuruWriter } from '../../agent/shared/tsuru.ts';
import { unsuitableVolumePlan } from '../plans/volume-plan.ts';
import type { Plan } from '../plans/plan.ts';
import { createApi } from '../tsuru/api.ts';
import { OPTIONAL_CALLS, PERMISSIONS } from '../tsuru/permissions.ts';

/** One thing that was looked at, in one sentence; of a problem with its remedy. */
export interface Finding {
  readonly kind: 'good' | 'problem';
  readonly text: string;
}

export interface CheckOptions {
  readonly tsuru: TsuruWriter;
  readonly plans: readonly Plan[];
  readonly service: string;
  /** Of instances, if the broker names one. */
  readonly pool: string;
}

type Look = (options: CheckOptions, signal: AbortSignal) => Promise<readonly Finding[]>;

/** In the order in which an administrator repairs them. Each is independent: one that fails hides no other. */
const LOOKS: readonly (readonly [what: string, look: Look])[] = [
  ["the broker's permissions", checkPermissions],
  ["Tsuru's plans", checkPlans],
  ["Tsuru's volume plans", checkVolumePlans],
  ['the pools', checkPools],
  ['the service in Tsuru', checkService],
];

/** Looks at an installation through Tsuru, and changes nothing. */
export async function check(options: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [what, look] of LOOKS) {
    try {
      findings.push(...(await look(options, signal)));
    } catch (error) {
      signal.throwIfAborted();
      findings.push(problem(`Failed to check ${what}: ${remedyOf(error)}.`));
      // Without Tsuru, or with a token that it rejects, nothing else can be known.
      if (error instanceof TsuruError && !isAnswered(error)) break;
    }
  }
  return findings;
}

function isAnswered({ failure }: TsuruError): boolean {
  return failure === 'refused' || failure === 'forbidden' || failure === 'not_found' || failure === 'bad_answer';
}

function remedyOf(error: unknown): string {
  const text = errorText(error).replace(/\.$/, '');
  if (!(error instanceof TsuruError)) return text;
  switch (error.failure) {
    case 'unauthorized':
      return 'Tsuru rejects the token of the broker: create one with "tsuru token-create" and set it as TSURU_TOKEN';
    case 'network':
    case 'timeout':
      return `${text}: check TSURU_HOST, and that this machine reaches it`;
    default:
      return text;
  }
}

async function checkPermissions({ tsuru }: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const answer = await tsuru.get('own_permissions', '/1.0/users/info', signal);
  const held = readPermissions(parseJson(answer.chunks));
  const lacking = Map.groupBy(
    Object.entries(PERMISSIONS)
      .filter(([call]) => !OPTIONAL_CALLS.includes(call))
      .flatMap(([call, needed]) => needed.map((permission) => ({ call, permission })))
      .filter(({ permission }) => !isHeld(held, permission)),
    ({ permission }) => permission,
  );
  if (lacking.size === 0) {
    return [good(`Tsuru answers, and the token of the broker has every permission that its calls need.`)];
  }
  return [...lacking].map(([permission, calls]) => {
    const narrow = held.find(({ name, contextType }) => covers(name, permission) && contextType !== 'global');
    const needs = `needed for ${listNames(
      calls.map(({ call }) => call),
      calls.length,
    )}`;
    return narrow === undefined
      ? problem(
          `The token of the broker lacks ${permission} (${needs}): run "tsuru role-permission-add prometheus-broker ${permission}".`,
        )
      : problem(
          `The token of the broker has ${permission} only for the ${narrow.contextType} ${narrow.contextValue} (${needs}): grant it by a role whose context is global.`,
        );
  });
}

function isHeld(held: readonly Permission[], wanted: string): boolean {
  return held.some(({ name, contextType }) => contextType === 'global' && covers(name, wanted));
}

/** `app.read` covers `app.read.env`, and '' everything. */
function covers(name: string, wanted: string): boolean {
  return name === '' || wanted === name || wanted.startsWith(`${name}.`);
}

async function checkPlans({ tsuru, plans }: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const { chunks, status } = await tsuru.get('plans', '/1.0/plans', signal);
  const there = namesOf(status === 204 ? undefined : parseJson(chunks), 'name');
  const missing = plans.filter(({ tsuruPlan }) => !there.includes(tsuruPlan));
  if (missing.length === 0) return [good(`Tsuru has the plans of all ${count(plans.length, 'plan')} of the service.`)];
  return missing.map(({ name, tsuruPlan }) =>
    problem(
      `The plan ${name} of the service needs the plan ${tsuruPlan} of Tsuru, which does not exist: create it with "tsuru plan-create", or name one of ${listNames(there, 10)} in the file of plans.`,
    ),
  );
}

async function checkVolumePlans({ tsuru, plans }: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const there = await createApi(tsuru, signal).volumePlans();
  const problems = plans.flatMap((plan) => {
    const { volumePlan } = plan.storage;
    const options = there.get(volumePlan);
    if (options !== undefined) return unsuitableVolumePlan(plan, options) ?? [];
    return `The plan ${plan.name} of the service needs the volume plan ${volumePlan}, which does not exist: add it to "volume-plans" in Tsuru's configuration.`;
  });
  return problems.length === 0
    ? [good('Tsuru has the volume plans of all plans, with the plugins that they need.')]
    : problems.map(problem);
}

async function checkPools({ tsuru, plans, pool }: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const named = [...new Set([pool, ...plans.map((plan) => plan.pool)])].filter((name) => name !== '');
  if (named.length === 0) return [];
  const { chunks, status } = await tsuru.get('pools', '/1.0/pools', signal);
  const there = namesOf(status === 204 ? undefined : parseJson(chunks), 'Name');
  const missing = named.filter((name) => !there.includes(name));
  return missing.length === 0
    ? [good(`Tsuru has ${named.length === 1 ? 'the pool' : 'the pools'} ${listNames(named, 10)}.`)]
    : missing.map((name) =>
        problem(`There is no pool ${name}: name one of "tsuru pool-list" in BROKER_POOL or the file of plans.`),
      );
}

/** Asks Tsuru for the service's plans, which asks a broker for them. */
async function checkService({ tsuru, plans, service }: CheckOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  let names: readonly string[];
  try {
    const path = `/1.0/services/${encodeURIComponent(service)}/plans`;
    const { chunks, status } = await tsuru.get('service_plans', path, signal);
    names = namesOf(status === 204 ? undefined : parseJson(chunks), 'Name');
  } catch (error) {
    if (!(error instanceof TsuruError)) throw error;
    return serviceProblem(error, service);
  }
  const own = plans.map(({ name }) => name);
  if (names.length === own.length && own.every((name) => names.includes(name))) {
    return [good(`Tsuru has the service ${service}, reaches its broker, and lists its plans: ${names.join(', ')}.`)];
  }
  return [
    problem(
      `The broker that Tsuru reaches offers other plans (${listNames(names, 10)}) than this configuration (${listNames(own, 10)}): deploy all brokers with the same BROKER_PLANS.`,
    ),
  ];
}

function serviceProblem(error: TsuruError, service: string): readonly Finding[] {
  const { failure, words } = error;
  if (failure === 'not_found') {
    return [
      problem(
        `Tsuru has no service ${service}: create it with "tsuru service-create" (broker/README.md has the manifest).`,
      ),
    ];
  }
  // Of a service that makes instances in several clusters, Tsuru asks for a pool first.
  if (/provide the pool/i.test(words)) return [good(`Tsuru has the multi-cluster service ${service}.`)];
  if (failure === 'forbidden' || failure === 'unauthorized' || failure === 'network' || failure === 'timeout')
    throw error;
  return [
    problem(
      `Tsuru does not get the plans of ${service} from its broker (${words}): check the endpoint, the user and the password of the service's manifest, and that the broker runs.`,
    ),
  ];
}

/** The names in a list of Tsuru's, of which each entry has one under this key. */
function namesOf(list: unknown, key: string): readonly string[] {
  return asOptionalArray(list, 'the list').map((entry, index) => {
    const name = asOptionalText(asObject(entry, `entry ${index}`)[key], key);
    if (name === '') throw new ShapeError(`entry ${index} of the list has no ${key}`);
    return name;
  });
}

function good(text: string): Finding {
  return { kind: 'good', text };
}

function problem(text: string): Finding {
  return { kind: 'problem', text };
}
