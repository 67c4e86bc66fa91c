import pMap from 'p-map';
import { compareText, count } from '../../../agent/shared/text.ts';
import type { Plan } from '../../plans/plan.ts';
import { volumeOptions } from '../../plans/plan.ts';
import { namesOf as partsOf, type InstanceId } from '../../names.ts';
import { notInForce } from '../../instances/in-force.ts';
import { isOwn, planNameOf } from '../../instances/parts/instance.ts';
import { createApi, type Api } from '../../tsuru/api.ts';
import type { Instance } from '../../tsuru/instance.ts';
import { good, problem, unknown, type CheckOptions, type Finding } from './finding.ts';

/** So that users' requests find Tsuru quick. */
const AT_ONCE = 8;

/** Whether each instance is as its plan says now, and runs what Tsuru stores of it. */
export async function checkInstances(
  { context: { tsuru, plans, service } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const api = createApi(tsuru, signal);
  const instances = await api.instances(service);
  if (instances === undefined) {
    return [unknown(`Tsuru lists no instance of ${service}: there is none, or the token may not see them.`)];
  }
  const sorted = [...instances].sort(([a], [b]) => compareText(a, b));
  const problems = await pMap(sorted, ([instance, stored]) => problemsOf(api, plans, { service, instance }, stored), {
    concurrency: AT_ONCE,
  });
  const found = problems.flat();
  return found.length === 0
    ? [good(`${count(instances.size, 'instance')}: each is as its plan says.`)]
    : found.map(problem);
}

async function problemsOf(
  api: Api,
  plans: readonly Plan[],
  id: InstanceId,
  stored: Instance,
): Promise<readonly string[]> {
  const { service, instance } = id;
  const { part } = partsOf(id);
  const [app, volume] = await Promise.all([api.app(part), api.volume(part)]);
  const update = `"tsuru service-instance-update ${service} ${instance}`;
  if (app === undefined || !isOwn({ id }, app)) {
    return [
      `The instance ${instance} has no app ${part}: run "tsuru service-instance-remove ${service} ${instance}" and add it again.`,
    ];
  }
  const name = planNameOf(app);
  const plan = plans.find((one) => one.name === name);
  if (plan === undefined) {
    return [
      `The instance ${instance} has the plan ${name || app.plan}, which is no longer offered: run ${update} -p PLAN".`,
    ];
  }
  const options = Object.entries(volumeOptions(plan.storage));
  const isOldVolume =
    volume?.plan !== plan.storage.volumePlan || options.some(([option, value]) => volume.options[option] !== value);
  const refused = notInForce(plans, id, app, stored);
  return [
    ...(app.plan === plan.tsuruPlan
      ? []
      : [
          `The instance ${instance} runs on the plan ${app.plan} of Tsuru, and its plan ${name} says ${plan.tsuruPlan}: run ${update}", which restarts it.`,
        ]),
    ...(isOldVolume ? [`The volume of the instance ${instance} is not as its plan ${name} says: run ${update}".`] : []),
    ...(refused === '' ? [] : [`The instance ${instance} does not run what Tsuru stores: ${refused}.`]),
  ];
}
