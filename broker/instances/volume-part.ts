import { volumeOptions } from '../plans/plan.ts';
import type { Plan } from '../plans/plan.ts';
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

/** What became of a volume. */
export interface VolumeChange {
  readonly isChanged: boolean;
  /** Changes it back. */
  readonly putBack: () => Promise<void>;
}

/** Changes a volume to what the plan says; units see it after their restart. */
export async function changeVolume(
  operation: Operation,
  team: string,
  plan: Plan,
  pool: string,
): Promise<VolumeChange> {
  const { api, names } = operation;
  const spec = specOf(operation, team, plan, pool);
  const before = await api.volume(names.part);
  if (before === undefined) {
    await locked(operation, () => api.createVolume(spec));
    await bindVolume(operation);
    return { isChanged: true, putBack: () => Promise.resolve() };
  }
  if (!isOwnVolume(operation, before)) throw belongsToSomebodyElse(`a volume ${names.part}`);
  const wanted = { ...spec, pool: before.pool };
  const isChanged = await bringBound(operation, before, wanted);
  return {
    isChanged,
    putBack: async () => {
      const now = await api.volume(names.part);
      if (isChanged && now !== undefined) await bringBound(operation, now, { ...before, name: names.part });
    },
  };
}

/** Gives a volume to another team; its units notice nothing. Fulfilled, too, when there is none, or only somebody else's. */
export async function moveVolume(operation: Operation, team: string): Promise<void> {
  const { api, names } = operation;
  const volume = await api.volume(names.part);
  if (volume === undefined || volume.team === team || !isOwnVolume(operation, volume)) return;
  await locked(operation, () => api.changeVolume({ ...volume, name: names.part, team }));
}

/** Tells whether anything was changed. */
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
  const isSame = hasOptions && volume.team === spec.team;
  if (!isSame) await locked(operation, () => api.changeVolume(spec));
  return isSame ? 'same' : 'changed';
}

function locked<T>({ context, signal }: Operation, work: () => Promise<T>): Promise<T> {
  return retryLocked(work, { clock: context.clock, signal });
}
