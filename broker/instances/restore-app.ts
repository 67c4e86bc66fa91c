import { randomUUID } from 'node:crypto';
import { ParametersRefused } from '../errors.ts';
import { readDesired, type Desired, type Parameters } from '../plans/parameters.ts';
import type { Instance } from '../tsuru/instance.ts';
import { assertNewest } from './image.ts';
import { ensureApp } from './parts/app.ts';
import { belongsToSomebodyElse, isOwn, type Operation } from './parts/instance.ts';
import { assertVolumePlan, withVolume } from './parts/volume.ts';
import { restoreAccess } from './restore.ts';

/**
 * Makes the app of an instance again that Tsuru knows, with its volume and its access, and deploys it. Parameters that the broker refuses are
 * left out. What fails on the way is made by later rounds. To be called in the instance's turn. Returns what was done, undefined if nothing.
 */
export async function restoreApp(operation: Operation): Promise<string | undefined> {
  const { api, context, id, names } = operation;
  const { part } = names;
  const there = await api.app(part);
  if (there !== undefined) {
    if (!isOwn(operation, there)) throw belongsToSomebodyElse(`an app ${part}`);
    return undefined;
  }
  const stored = (await api.instances(id.service))?.get(id.instance);
  if (stored === undefined) return undefined;
  const { desired, refused } = await acceptedPart(operation, stored);
  const { plan } = desired;
  await assertVolumePlan(operation, plan);
  // The volume was where the app was; a stored pool may be one that was refused.
  const pool = (await api.volume(part))?.pool ?? (stored.pool || desired.pool || plan.pool || context.pool);
  const { team } = stored;
  const [made] = await ensureApp(operation, { team, desired, pool, maker: randomUUID() });
  // Another broker was faster.
  if (made === 'adopted') return undefined;
  const pooled = pool || ((await api.app(part))?.pool ?? '');
  await withVolume(operation, { team, plan, pool: pooled, when: 'now' }, () => Promise.resolve());
  await restoreAccess(operation, team);
  await context.deploys.start(part, 'restored by the broker');
  const without = refused.length === 0 ? '' : ` without the parameters that are refused (${refused.join(', ')})`;
  return `made the app ${part} again${without}, which was removed: its password is new, its history is lost`;
}

async function acceptedPart(
  { context, signal }: Operation,
  stored: Instance,
): Promise<{ readonly desired: Desired; readonly refused: readonly string[] }> {
  const refused: string[] = [];
  let parameters: Parameters = stored.parameters;
  for (;;) {
    try {
      const desired = readDesired(context.plans, stored.plan, parameters);
      assertNewest(context.image, desired.image);
      await context.assertRules(desired.rules, signal);
      return { desired, refused };
    } catch (error) {
      if (!(error instanceof ParametersRefused) || error.names.length === 0) throw error;
      refused.push(...error.names);
      parameters = Object.fromEntries(Object.entries(parameters).filter(([name]) => !refused.includes(name)));
    }
  }
}
