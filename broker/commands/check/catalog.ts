import { asObject, asOptionalArray, asOptionalText, isObject, parseJson } from '../../../agent/shared/shape.ts';
import { count, listNames } from '../../../agent/shared/text.ts';
import type { Plan } from '../../plans/plan.ts';
import { unsuitableVolumePlan } from '../../plans/volume-plan.ts';
import { createApi } from '../../tsuru/api.ts';
import { good, namesOf, problem, type CheckOptions, type Finding } from './finding.ts';

export async function checkPlans(
  { context: { tsuru, plans } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
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

export async function checkVolumePlans(
  { context: { tsuru, plans } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
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

/** Whether there are the pools that are named, and each plan is allowed in the pool where its instances run. */
export async function checkPools(
  { context: { tsuru, plans, pool } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { chunks, status } = await tsuru.get('pools', '/1.0/pools', signal);
  const there = asOptionalArray(status === 204 ? undefined : parseJson(chunks), 'the list of pools').map(readPool);
  const wanted = plans.map((plan) => ({
    plan,
    name: plan.pool || pool || (there.find(({ isDefault }) => isDefault)?.name ?? ''),
  }));
  const names = [...new Set([pool, ...wanted.map(({ name }) => name)])].filter((name) => name !== '');
  const missing = names.filter((name) => !there.some((one) => one.name === name));
  const problems = [
    ...missing.map(
      (name) => `There is no pool ${name}: name one of "tsuru pool-list" in BROKER_POOL or the file of plans.`,
    ),
    ...wanted.flatMap(({ plan, name }) => {
      const found = there.find((one) => one.name === name);
      return found === undefined ? [] : disallowed(plan, found);
    }),
  ];
  if (problems.length > 0) return problems.map(problem);
  if (names.length === 0) return [];
  const which = names.length === 1 ? 'the pool' : 'the pools';
  return [good(`Tsuru has ${which} ${listNames(names, 10)}, where the plans are allowed.`)];
}

interface Pool {
  readonly name: string;
  readonly isDefault: boolean;
  /** What may be used in it; undefined where Tsuru does not say. */
  readonly plans: readonly string[] | undefined;
  readonly volumePlans: readonly string[] | undefined;
}

function readPool(value: unknown): Pool {
  const pool = asObject(value, 'a pool');
  const allowed = isObject(pool['allowed']) ? pool['allowed'] : {};
  const texts = (key: string): readonly string[] | undefined =>
    Array.isArray(allowed[key]) ? asOptionalArray(allowed[key], key).map((one) => asOptionalText(one, key)) : undefined;
  return {
    name: asOptionalText(pool['Name'], 'Name'),
    isDefault: pool['Default'] === true,
    plans: texts('plan'),
    volumePlans: texts('volume-plan'),
  };
}

function disallowed({ name, tsuruPlan, storage }: Plan, pool: Pool): readonly string[] {
  const sentence = (kind: string, what: string): string =>
    `The plan ${name} of the service needs the ${kind} ${what}, which the pool ${pool.name} does not allow: allow it with "tsuru pool-constraint-set ${pool.name} ${kind === 'plan' ? 'plan' : 'volume-plan'} ${what} --append", or name another pool.`;
  return [
    ...(pool.plans?.includes(tsuruPlan) === false ? [sentence('plan', tsuruPlan)] : []),
    ...(pool.volumePlans?.includes(storage.volumePlan) === false ? [sentence('volume plan', storage.volumePlan)] : []),
  ];
}
