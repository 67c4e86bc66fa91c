import { BrokerError } from '../errors.ts';
import type { Desired } from '../plans/parameters.ts';
import { readDesired } from '../plans/parameters.ts';
import type { Plan } from '../plans/plan.ts';
import type { App } from '../tsuru/app.ts';
import type { Instance } from '../tsuru/instance.ts';
import {
  acceptanceOf,
  changedAnnotations,
  missingMarks,
  ownApp,
  planNameOf,
  wasAccepted,
  type Operation,
} from './parts/instance.ts';

/**
 * Writes again what somebody edited by hand: whose the app is, and the settings in force, without a restart. What Tsuru stores may be what the
 * broker has refused, so it is written only with the proof that it was accepted. To be called in the instance's turn. Returns what was done,
 * undefined if nothing differs.
 */
export async function restoreSettings(operation: Operation): Promise<string | undefined> {
  const { api, id, names, locked } = operation;
  const app = await ownApp(operation);
  if (app === undefined) return undefined;
  const marks = missingMarks(app, names);
  const isEdited = acceptanceOf(app) === 'edited';
  const stored = isEdited ? (await api.instances(id.service))?.get(id.instance) : undefined;
  const desired = stored === undefined ? undefined : await acceptedOf(operation, app, stored);
  const settings = desired === undefined ? {} : changedAnnotations(app, desired);
  const change = { ...marks, annotations: { ...marks.annotations, ...settings } };
  const hasAnnotations = Object.keys(change.annotations).length > 0;
  if (marks.tags !== undefined || hasAnnotations) {
    const { tags } = marks;
    const what = { ...(tags === undefined ? {} : { tags }), ...(hasAnnotations ? change : {}) };
    await locked(() => api.changeApp(names.part, what, 'no restart'));
  }
  if (stored !== undefined && desired === undefined) {
    throw new BrokerError(
      500,
      `somebody edited the settings of ${names.part}, and Tsuru stores others than those that were accepted: ` +
        `run "tsuru service-instance-update ${id.service} ${id.instance}" with the parameters that are to hold`,
    );
  }
  const done = [
    ...(marks.tags === undefined && marks.annotations === undefined ? [] : ['marks']),
    ...(Object.keys(settings).length === 0 ? [] : ['settings']),
  ];
  return done.length === 0 ? undefined : `wrote the ${done.join(' and ')} of ${names.part} again, without a restart`;
}

/** What Tsuru stores, if that is what the broker accepted last. */
async function acceptedOf(
  { context, signal }: Operation,
  app: App,
  { plan, parameters }: Instance,
): Promise<Desired | undefined> {
  for (const { name } of context.plans) {
    const desired = readUnlessRefused(context.plans, name, parameters);
    if (desired === undefined) continue;
    const isProven = wasAccepted(app, desired);
    if (isProven === true || isInForce(app, desired)) return desired;
    // The app of an earlier version: what is left of it has to agree, and the broker to accept it now.
    const agrees = desired.plan.tsuruPlan === app.plan && name === (plan || planNameOf(app));
    const isOfPool = desired.pool === '' || desired.pool === app.pool;
    if (isProven !== undefined || !agrees || !isOfPool) continue;
    await context.assertRules(desired.rules, signal);
    return desired;
  }
  return undefined;
}

/** Whether nothing but the digest was edited. */
function isInForce(app: App, desired: Desired): boolean {
  return Object.keys(changedAnnotations(app, desired)).length === 1 && wasAccepted(app, desired) === false;
}

function readUnlessRefused(
  plans: readonly Plan[],
  plan: string,
  parameters: Instance['parameters'],
): Desired | undefined {
  try {
    return readDesired(plans, plan, parameters);
  } catch (error) {
    if (error instanceof BrokerError) return undefined;
    throw error;
  }
}
