import { createHash } from 'node:crypto';
import { PLAN_ANNOTATION } from '../../../agent/shared/own-annotations.ts';
import { SETTINGS_ANNOTATION } from '../../../agent/shared/settings/settings.ts';
import type { Plan } from '../../plans/plan.ts';
import type { App } from '../../tsuru/app.ts';

/** Whether binds give variables: what, as the plan, cannot be read off the app. */
export const BIND_ENV_ANNOTATION = 'prometheus-service/bind-env';
/**
 * A digest of the three that are in force. It tells what the broker has accepted from what somebody edited, and from what Tsuru stores although
 * the broker has refused it. Without it: an instance of an earlier version.
 */
const ACCEPTED_ANNOTATION = 'prometheus-service/accepted';
const DIGEST_CHARACTERS = 16;
/** The texts of the settings, the plan's name and bind_env: '' removes an annotation. */
type Values = readonly [settings: string, plan: string, bindEnv: string];

/** The annotations for what is in force from now on, with its digest. */
export function inForceAnnotations(values: Values): Record<string, string> {
  const [settings, plan, bindEnv] = values;
  return {
    [SETTINGS_ANNOTATION]: settings,
    [PLAN_ANNOTATION]: plan,
    [BIND_ENV_ANNOTATION]: bindEnv,
    [ACCEPTED_ANNOTATION]: digestOf(values),
  };
}

/**
 * Whether the settings, the plan and bind_env of an app are those that the broker accepted last. Unknown: an earlier version of the broker set
 * them, and all are there.
 */
export function acceptanceOf({ annotations }: App): 'accepted' | 'edited' | 'unknown' {
  const valueOf = (name: string): string => annotations.get(name) ?? '';
  const [settings, plan] = [valueOf(SETTINGS_ANNOTATION), valueOf(PLAN_ANNOTATION)];
  const accepted = annotations.get(ACCEPTED_ANNOTATION);
  if (accepted !== undefined)
    return digestOf([settings, plan, valueOf(BIND_ENV_ANNOTATION)]) === accepted ? 'accepted' : 'edited';
  return settings === '' || plan === '' ? 'edited' : 'unknown';
}

/** Whether the app says what was accepted last. */
export function knowsAccepted({ annotations }: App): boolean {
  return annotations.has(ACCEPTED_ANNOTATION);
}

/** What was accepted last, if it is made of these settings and plans; undefined: nothing of that has the digest. */
export function acceptedAmong(
  { annotations }: App,
  settings: readonly string[],
  plans: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const accepted = annotations.get(ACCEPTED_ANNOTATION);
  return settings
    .flatMap((text) => plans.flatMap((plan) => ['', 'true'].map((bindEnv): Values => [text, plan, bindEnv])))
    .map(inForceAnnotations)
    .find((made) => made[ACCEPTED_ANNOTATION] === accepted);
}

/** The plan in force, also where somebody edited its name: then the one of which Tsuru's plan is, if it is the only one. */
export function planInForce(plans: readonly Plan[], app: App): string {
  const [only, ...others] = plans.filter(({ tsuruPlan }) => tsuruPlan === app.plan);
  const isTold = only !== undefined && others.length === 0 && acceptanceOf(app) === 'edited';
  return isTold ? only.name : (app.annotations.get(PLAN_ANNOTATION) ?? '');
}

function digestOf(values: Values): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, DIGEST_CHARACTERS);
}
