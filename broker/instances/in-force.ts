import { SETTINGS_ANNOTATION } from '../../agent/shared/settings/settings.ts';
import { isObject } from '../../agent/shared/shape.ts';
import { BrokerError, ParametersRefused } from '../errors.ts';
import type { InstanceId } from '../names.ts';
import type { Plan } from '../plans/plan.ts';
import type { App } from '../tsuru/app.ts';
import type { Instance } from '../tsuru/instance.ts';
import { planNameOf } from './parts/instance.ts';
import { readDesired } from '../plans/parameters.ts';

/** Names that a shell takes as they are; others are slips that a sentence shows already. */
const SHELL_NAME = /^[\w.-]{1,60}$/;

/**
 * The command that ends what Tsuru stores and sends again with each update, though it was refused.
 * @param plan The plan to go back to; '' when the plan is not at fault.
 */
export function wayOut({ service, instance }: InstanceId, names: readonly string[], plan: string): string | undefined {
  const flags = [
    ...names.filter((name) => SHELL_NAME.test(name)).map((name) => `--remove-param ${name}`),
    ...(plan === '' ? [] : [`-p ${plan}`]),
  ];
  return flags.length === 0 ? undefined : `"tsuru service-instance-update ${service} ${instance} ${flags.join(' ')}"`;
}

/** What Tsuru stores and the instance does not run, with the command that ends that; '' when there is nothing. */
export function notInForce(plans: readonly Plan[], id: InstanceId, app: App, stored: Instance): string {
  const inForce = planNameOf(app);
  const isOtherPlan = stored.plan !== '' && inForce !== '' && stored.plan !== inForce;
  const names = differing(plans, inForce, app, stored);
  const command = wayOut(id, names, isOtherPlan ? inForce : '');
  if (command === undefined) return '';
  const what = [...names, ...(isOtherPlan ? [`plan ${stored.plan}`] : [])];
  return `${what.join(', ')}: give another value, or run ${command}`;
}

/** Parameters that are refused, or that have another value in force. */
function differing(plans: readonly Plan[], plan: string, app: App, { parameters }: Instance): readonly string[] {
  try {
    const wanted = objectOf(readDesired(plans, plan, parameters).settings);
    const present = objectOf(app.annotations.get(SETTINGS_ANNOTATION));
    const isOther = (name: string): boolean => JSON.stringify(wanted[name]) !== JSON.stringify(present[name]);
    return Object.keys(parameters).filter(isOther);
  } catch (error) {
    if (error instanceof ParametersRefused) return error.names;
    // A plan that is no longer offered says nothing about parameters.
    if (error instanceof BrokerError) return [];
    throw error;
  }
}

function objectOf(json: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json ?? '{}');
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
