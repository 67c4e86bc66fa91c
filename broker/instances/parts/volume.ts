import { errorText } from '../../../agent/shared/text.ts';
import { TsuruError } from '../../../agent/shared/tsuru.ts';
import { BrokerError } from '../../errors.ts';
import { volumeOptions, type Plan } from '../../plans/plan.ts';
import { unsuitableVolumePlan } from '../../plans/volume-plan.ts';
import type { Volume, VolumeSpec } from '../../tsuru/volume.ts';
import { isDefinitiveAnswer, mayBeThere } from '../../tsuru/failures.ts';
import type { Made } from './app.ts';
import { TAG } from '../../../agent/shared/own-annotations.ts';
import { ownerOf, type InstanceId } from '../../names.ts';
import { belongsToSomebodyElse, MOUNT_POINT, type Operation } from './instance.ts';

/** Whose a volume is: volumes have no tags, and an option that the plugin does not know means nothing to it. */
const OWNER_OPTION = 'prometheus-instance';

/** Rejects where the plan promises what its volume plan cannot hold: such an instance would be deployed, and then lose its data. */
export async function assertVolumePlan({ api }: Operation, plan: Plan): Promise<void> {
  const plans = await api.volumePlans();
  const problem = unsuitableVolumePlan(plan, plans.get(plan.storage.volumePlan));
  if (problem !== undefined) throw new BrokerError(400, `${problem} Choose another plan, and tell an administrator.`);
}

/** Makes the volume, or brings a leftover of the same instance and team to what the plan says. */
export async function ensureVolume(
  operation: Operation,
  team: string,
  plan: Plan,
  pool: string,
): Promise<readonly [Made, undefined]> {
  const { api, names } = operation;
  const spec = specOf(operation, team, plan, pool);
  try {
    await operation.locked(() => api.createVolume(spec));
    return ['made', undefined];
  } catch (error) {
    if (!mayBeThere(error)) throw error;
    const volume = await api.volume(names.part);
    if (volume === undefined) throw error;
    if (!isOwnVolume(operation, volume) || volume.team !== team) {
      throw belongsToSomebodyElse(`a volume ${names.part}`);
    }
    await bringTo(operation, volume, spec);
    return ['adopted', undefined];
  }
}

/** What a volume is to be. */
export interface DesiredVolume {
  readonly team: string;
  readonly plan: Plan;
  /** Of one that is not there yet. */
  readonly pool: string;
  /** When units are to see it. What cannot be changed (a foreign volume, a disk of another volume plan) is refused now, or else left alone. */
  readonly when: 'now' | 'next restart';
}

/**
 * Changes a volume, and then does the work that needs it, with whether units will see a change. Where Tsuru refuses either, the
 * volume is put back: the app continues as before.
 */
export async function withVolume<T>(
  operation: Operation,
  desired: DesiredVolume,
  work: (isChanged: boolean) => Promise<T>,
): Promise<T> {
  const { api, names } = operation;
  const before = await api.volume(names.part);
  const refused = before === undefined ? undefined : refusedChange(operation, before, desired.plan);
  if (refused !== undefined) {
    if (desired.when === 'now') throw refused;
    return work(false);
  }
  try {
    return await work(await changeVolume(operation, before, desired));
  } catch (error) {
    // Without a clear answer of Tsuru's the app may have changed.
    if (before !== undefined && isDefinitiveAnswer(error)) await putBack(operation, before);
    throw error;
  }
}

function refusedChange(operation: Operation, volume: Volume, { name, storage }: Plan): BrokerError | undefined {
  if (!isOwnVolume(operation, volume)) return belongsToSomebodyElse(`a volume ${operation.names.part}`);
  const { isDisk, plan: volumePlan } = volume;
  if (!isDisk || volumePlan === storage.volumePlan) return undefined;
  return new BrokerError(
    400,
    `The instance has a disk, of the volume plan ${volumePlan}, which cannot be exchanged for what the plan ${name} has: ` +
      'add another instance with that plan.',
  );
}

/** Returns whether anything was changed that units see. */
async function changeVolume(
  operation: Operation,
  before: Volume | undefined,
  { team, plan, pool }: DesiredVolume,
): Promise<boolean> {
  const spec = specOf(operation, team, plan, pool);
  if (before !== undefined) return bringBound(operation, before, { ...spec, pool: before.pool });
  await operation.locked(() => operation.api.createVolume(spec));
  await bindVolume(operation);
  return true;
}

/** What cannot be put back is changed by the next update. */
async function putBack(operation: Operation, before: Volume): Promise<void> {
  const { api, context, id, names } = operation;
  const spec = { ...before, name: names.part };
  try {
    const now = await api.volume(names.part);
    if (now !== undefined) await bringBound(operation, now, spec);
    else {
      await operation.locked(() => api.createVolume(spec));
      await bindVolume(operation);
    }
  } catch (error) {
    const reason = errorText(error);
    context.log.warn({ instance: id.instance, reason }, 'the volume could not be put back to the old plan');
  }
}

/** Returns whether anything was changed that units see. */
async function bringBound(operation: Operation, volume: Volume, spec: VolumeSpec): Promise<boolean> {
  const brought = await bringTo(operation, volume, spec);
  if (brought !== 'made anew' && volume.boundTo.includes(operation.names.part)) return brought === 'changed';
  await bindVolume(operation);
  return true;
}

/**
 * Makes the volume again, or its bind, without a restart: the unit has it from its next restart on. One that is there is not compared with the
 * plan, which the next update does. Returns what was done, undefined if nothing is missing. To be called in the instance's turn.
 */
export async function restoreVolume(
  operation: Operation,
  { team, pool }: { readonly team: string; readonly pool: string },
  plan: Plan,
): Promise<'made' | 'bound' | undefined> {
  const { part } = operation.names;
  const volume = await operation.api.volume(part);
  if (volume !== undefined && !isOwnVolume(operation, volume)) throw belongsToSomebodyElse(`a volume ${part}`);
  if (volume?.boundTo.includes(part) === true) return undefined;
  if (volume === undefined) await ensureVolume(operation, team, plan, pool);
  await bindVolume(operation);
  return volume === undefined ? 'made' : 'bound';
}

export async function bindVolume(operation: Operation): Promise<void> {
  const { api, names } = operation;
  try {
    await operation.locked(() => api.bindVolume(names.part, names.part, MOUNT_POINT));
  } catch (error) {
    const volume = mayBeThere(error) ? await api.volume(names.part) : undefined;
    if (volume?.boundTo.includes(names.part) !== true) throw error;
  }
}

/** Also fulfilled if there is none, or only a foreign one. */
export async function removeVolume(operation: Operation): Promise<void> {
  const { api, names } = operation;
  const volume = await api.volume(names.part);
  if (volume === undefined || !isOwnVolume(operation, volume)) return;
  if (volume.boundTo.includes(names.part)) {
    await operation.locked(() => api.unbindVolume(names.part, names.part, MOUNT_POINT));
  }
  await operation.locked(() => api.removeVolume(names.part));
}

/** Whose a volume is; undefined when it is of no instance. */
export function ownerOfVolume({ options }: Volume): InstanceId | undefined {
  return ownerOf([`${TAG}${options[OWNER_OPTION] ?? ''}`]);
}

function isOwnVolume({ id, names }: Operation, { options, boundTo }: Volume): boolean {
  const isMarked = options[OWNER_OPTION] === `${id.service}/${id.instance}`;
  return isMarked && boundTo.every((app) => app === names.part);
}

function specOf({ id, names }: Operation, team: string, { storage }: Plan, pool: string): VolumeSpec {
  const options = { ...volumeOptions(storage), [OWNER_OPTION]: `${id.service}/${id.instance}` };
  return { name: names.part, pool, team, plan: storage.volumePlan, options };
}

/** Options can be changed; another plan or pool takes another volume: the data go with the unit anyway. */
async function bringTo(
  operation: Operation,
  volume: Volume,
  spec: VolumeSpec,
): Promise<'same' | 'changed' | 'made anew'> {
  const { api, names } = operation;
  if (volume.plan !== spec.plan || volume.pool !== spec.pool) {
    if (volume.boundTo.includes(names.part)) {
      await operation.locked(() => api.unbindVolume(names.part, names.part, MOUNT_POINT));
    }
    await operation.locked(() => api.removeVolume(names.part));
    await operation.locked(() => api.createVolume(spec));
    return 'made anew';
  }
  const hasOptions = Object.entries(spec.options).every(([name, value]) => volume.options[name] === value);
  if (hasOptions && volume.team === spec.team) return 'same';
  try {
    await operation.locked(() => api.changeVolume(spec));
    // Units notice nothing of another team.
    return hasOptions ? 'same' : 'changed';
  } catch (error) {
    // A disk that is there stays with its team, as the token does.
    if (!volume.isDisk || !(error instanceof TsuruError) || !/already provisioned/i.test(error.words)) throw error;
    return 'same';
  }
}
