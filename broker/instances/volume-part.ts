import { errorText } from '../../agent/shared/text.ts';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import { BrokerError } from '../errors.ts';
import { volumeOptions, type Plan } from '../plans/plan.ts';
import type { Volume, VolumeSpec } from '../tsuru/volume.ts';
import { retryLocked } from '../tsuru/locked.ts';
import { mayBeThere, type Made } from './app-part.ts';
import { belongsToSomebodyElse, MOUNT_POINT, type Operation } from './instance.ts';

/** Whose a volume is: volumes have no tags, and an option that the plugin does not know means nothing to it. */
const OWNER_OPTION = 'prometheus-instance';

/** Makes the volume, or brings a leftover of the same instance and team to what the plan says. */
export async function ensureVolume(operation: Operation, team: string, plan: Plan, pool: string): Promise<Made> {
  const { api, names } = operation;
  const spec = specOf(operation, team, plan, pool);
  try {
    await locked(operation, () => api.createVolume(spec));
    return 'made';
  } catch (error) {
    if (!mayBeThere(error)) throw error;
    const volume = await api.volume(names.part);
    if (volume === undefined) throw error;
    if (!isOwnVolume(operation, volume) || volume.team !== team) {
      throw belongsToSomebodyElse(`a volume ${names.part}`);
    }
    await bringTo(operation, volume, spec);
    return 'adopted';
  }
}

/** What a volume is to be. */
export interface VolumeWish {
  readonly team: string;
  /** Undefined: as it is. */
  readonly plan: Plan | undefined;
  /** Of one that is not there yet. */
  readonly pool: string;
}

/**
 * Changes a volume, and then does what needs it so; units see it after their restart. Where Tsuru refuses either, the volume is put back: the
 * app goes on as before.
 */
export async function withVolume<T>(
  operation: Operation,
  wish: VolumeWish,
  work: (isChanged: boolean) => Promise<T>,
): Promise<T> {
  const { api, names } = operation;
  const before = await api.volume(names.part);
  demandChangeable(operation, before, wish);
  try {
    return await work(await changeVolume(operation, before, wish));
  } catch (error) {
    // Without an answer of Tsuru's the app may have changed.
    if (before !== undefined && error instanceof TsuruError && error.status !== undefined) {
      await putBack(operation, before);
    }
    throw error;
  }
}

function demandChangeable(operation: Operation, volume: Volume | undefined, { plan }: VolumeWish): void {
  if (volume === undefined || plan === undefined) return;
  if (!isOwnVolume(operation, volume)) throw belongsToSomebodyElse(`a volume ${operation.names.part}`);
  if (!volume.isDisk || volume.plan === plan.storage.volumePlan) return;
  throw new BrokerError(
    400,
    `The instance has a disk, of the volume plan ${volume.plan}, which cannot be exchanged for what the plan ${plan.name} has: ` +
      'add another instance with that plan.',
  );
}

/** Tells whether anything was changed that units see. */
async function changeVolume(
  operation: Operation,
  before: Volume | undefined,
  { team, plan, pool }: VolumeWish,
): Promise<boolean> {
  const { api, names } = operation;
  if (plan === undefined) {
    // Units notice nothing of another team.
    if (before !== undefined && isOwnVolume(operation, before)) {
      await bringTo(operation, before, { ...before, name: names.part, team });
    }
    return false;
  }
  const spec = specOf(operation, team, plan, pool);
  if (before !== undefined) return bringBound(operation, before, { ...spec, pool: before.pool });
  await locked(operation, () => api.createVolume(spec));
  await bindVolume(operation);
  return true;
}

/** What cannot be put back is changed by the next update. */
async function putBack(operation: Operation, before: Volume): Promise<void> {
  const { api, context, id, names } = operation;
  if (!isOwnVolume(operation, before)) return;
  const spec = { ...before, name: names.part };
  try {
    const now = await api.volume(names.part);
    if (now !== undefined) await bringBound(operation, now, spec);
    else {
      await locked(operation, () => api.createVolume(spec));
      await bindVolume(operation);
    }
  } catch (error) {
    const reason = errorText(error);
    context.log.warn({ instance: id.instance, reason }, 'the volume could not be put back to the old plan');
  }
}

/** Tells whether anything was changed that units see. */
async function bringBound(operation: Operation, volume: Volume, spec: VolumeSpec): Promise<boolean> {
  const brought = await bringTo(operation, volume, spec);
  if (brought !== 'made anew' && volume.boundTo.includes(operation.names.part)) return brought === 'changed';
  await bindVolume(operation);
  return true;
}

export async function bindVolume(operation: Operation): Promise<void> {
  const { api, names } = operation;
  try {
    await locked(operation, () => api.bindVolume(names.part, names.part, MOUNT_POINT));
  } catch (error) {
    const volume = mayBeThere(error) ? await api.volume(names.part) : undefined;
    if (volume?.boundTo.includes(names.part) !== true) throw error;
  }
}

/** Fulfilled, too, when there is none, or only somebody else's. */
export async function removeVolume(operation: Operation): Promise<void> {
  const { api, names } = operation;
  const volume = await api.volume(names.part);
  if (volume === undefined || !isOwnVolume(operation, volume)) return;
  if (volume.boundTo.includes(names.part)) {
    await locked(operation, () => api.unbindVolume(names.part, names.part, MOUNT_POINT));
  }
  await locked(operation, () => api.removeVolume(names.part));
}

function isOwnVolume({ id, names }: Operation, { options, boundTo }: Volume): boolean {
  const isMarked = options[OWNER_OPTION] === `${id.service}/${id.instance}`;
  return isMarked && boundTo.every((app) => app === names.part);
}

function specOf({ id, names }: Operation, team: string, { storage }: Plan, pool: string): VolumeSpec {
  const options = { ...volumeOptions(storage), [OWNER_OPTION]: `${id.service}/${id.instance}` };
  return { name: names.part, pool, team, plan: storage.volumePlan, options };
}

/** Options can be changed; another plan or pool takes another volume, which nobody misses: its data go with the unit anyway. */
async function bringTo(
  operation: Operation,
  volume: Volume,
  spec: VolumeSpec,
): Promise<'same' | 'changed' | 'made anew'> {
  const { api, names } = operation;
  if (volume.plan !== spec.plan || volume.pool !== spec.pool) {
    if (volume.boundTo.includes(names.part)) {
      await locked(operation, () => api.unbindVolume(names.part, names.part, MOUNT_POINT));
    }
    await locked(operation, () => api.removeVolume(names.part));
    await locked(operation, () => api.createVolume(spec));
    return 'made anew';
  }
  const hasOptions = Object.entries(spec.options).every(([name, value]) => volume.options[name] === value);
  if (hasOptions && volume.team === spec.team) return 'same';
  try {
    await locked(operation, () => api.changeVolume(spec));
    return 'changed';
  } catch (error) {
    // A disk that is there stays with its team, as the token does.
    if (!volume.isDisk || !(error instanceof TsuruError) || !/already provisioned/i.test(error.words)) throw error;
    return 'same';
  }
}

function locked<T>({ context, signal }: Operation, work: () => Promise<T>): Promise<T> {
  return retryLocked(work, { clock: context.clock, signal });
}
