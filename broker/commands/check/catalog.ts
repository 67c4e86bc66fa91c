import { parseJson } from '../../../agent/shared/shape.ts';
import { count, listNames } from '../../../agent/shared/text.ts';
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

export async function checkPools(
  { context: { tsuru, plans, pool } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
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
