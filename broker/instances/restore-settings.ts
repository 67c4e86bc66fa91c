import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { BrokerError } from '../errors.ts';
import { readDesired, type Desired } from '../plans/parameters.ts';
import type { Plan } from '../plans/plan.ts';
import type { App } from '../tsuru/app.ts';
import type { Instance } from '../tsuru/instance.ts';
import { acceptanceOf, acceptedAmong, knowsAccepted, planInForce } from './parts/accepted.ts';
import {
  annotationsOf,
  changedAnnotations,
  differing,
  hasOwnToken,
  missingMarks,
  ownApp,
  VARIABLES,
  type Operation,
} from './parts/instance.ts';
import { ownToken } from './parts/token.ts';

/**
 * Writes again what somebody edited by hand: whose the app is, and the settings in force, without a restart. What Tsuru stores may be what the
 * broker has refused, so it is written only with the proof that it was accepted. To be called in the instance's turn. Returns what was done,
 * undefined if nothing differs.
 */
export async function restoreSettings(operation: Operation): Promise<string | undefined> {
  const { api, id, names, locked } = operation;
  const app = (await ownApp(operation)) ?? (await unmarkedApp(operation));
  if (app === undefined) return undefined;
  const marks = missingMarks(app, names);
  const isEdited = acceptanceOf(app) === 'edited';
  const stored = isEdited ? (await api.instances(id.service))?.get(id.instance) : undefined;
  const accepted = stored === undefined ? undefined : await acceptedOf(operation, app, stored);
  const settings = differing(app, accepted ?? {});
  const annotations = { ...marks.annotations, ...settings };
  const change = {
    ...(marks.tags === undefined ? {} : { tags: marks.tags }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  if (Object.keys(change).length > 0) await locked(() => api.changeApp(names.part, change, 'no restart'));
  if (stored !== undefined && accepted === undefined) {
    throw new BrokerError(
      500,
      `somebody edited the settings of ${names.part}, and Tsuru stores others than those that were accepted: ` +
        `run "tsuru service-instance-update ${id.service} ${id.instance}" with the parameters that are to hold`,
    );
  }
  const done = [
    ...(Object.keys(marks).length === 0 ? [] : ['marks']),
    ...(Object.keys(settings).length === 0 ? [] : ['settings']),
  ];
  return done.length === 0 ? undefined : `wrote the ${done.join(' and ')} of ${names.part} again, without a restart`;
}

/** The app without both of its marks. */
async function unmarkedApp(operation: Operation): Promise<App | undefined> {
  const { api, names } = operation;
  const app = await api.app(names.part);
  if (app === undefined) return undefined;
  const variables = await api.env(names.part, [VARIABLES.token]);
  return hasOwnToken(variables, await ownToken(operation)) ? app : undefined;
}

/** The annotations that were accepted last: made of what is there and of what Tsuru stores. Undefined: that cannot be told. */
async function acceptedOf(
  { context, signal }: Operation,
  app: App,
  { plan, parameters }: Instance,
): Promise<Readonly<Record<string, string>> | undefined> {
  const { plans } = context;
  const wanted = plans.flatMap(({ name }) => readUnlessRefused(plans, name, parameters) ?? []);
  const texts = [app.annotations.get(SETTINGS_ANNOTATION) ?? '', ...wanted.map(({ settings }) => settings)];
  const names = plans.map(({ name }) => name);
  const proven = acceptedAmong(app, texts, names);
  if (proven !== undefined) return proven;
  // Only the digest was edited.
  const inForce = wanted.find((desired) => Object.keys(changedAnnotations(app, desired)).length === 1);
  if (inForce !== undefined && knowsAccepted(app)) return annotationsOf(inForce);
  // Without a digest, what is left has to agree with what Tsuru stores, and the broker has to accept that now.
  const agreeing = wanted.find(({ plan: { name, tsuruPlan }, pool }) => {
    const isPlan = tsuruPlan === app.plan && name === (plan || planInForce(plans, app));
    return isPlan && (pool === '' || pool === app.pool);
  });
  if (agreeing === undefined || knowsAccepted(app)) return undefined;
  await context.assertRules(agreeing.rules, signal);
  return annotationsOf(agreeing);
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
