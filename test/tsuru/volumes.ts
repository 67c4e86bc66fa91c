import type { State } from './state.ts';

/** Options of a volume or of its plan: `{plugin: 'emptyDir', medium: 'Memory'}`. */
export type VolumeOptions = Readonly<Record<string, string>>;

export interface VolumeBind {
  readonly app: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
}

export interface Volume {
  readonly name: string;
  pool: string;
  plan: string;
  teamOwner: string;
  options: VolumeOptions;
  binds: readonly VolumeBind[];
}

/** What a unit is to find at a mount point. */
export interface UnitVolume {
  readonly volume: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
  /** memory: a tmpfs of the unit's own; disk: a folder of its own; shared: one folder for all units. */
  readonly kind: 'memory' | 'disk' | 'shared';
  /** Anyone may write to it; else only root may. */
  readonly isOpen: boolean;
  /** In bytes; undefined: the plan of the app is the limit. Only a tmpfs is held to it. */
  readonly sizeLimit: number | undefined;
}

/** The recording's. */
export const DEFAULT_VOLUME_PLANS: Readonly<Record<string, VolumeOptions>> = {
  tmpfs: { plugin: 'emptyDir' },
  nfs: { plugin: 'nfs' },
};

/** Plugins whose volumes are a unit's own and go with it. */
const OWN_PLUGINS = ['emptyDir', 'ephemeral'];
/** Storage classes whose drivers open a disk for everyone. Others, as most of those of block disks, leave it to root. */
const OPEN_CLASSES = ['local-path', 'nfs', 'cifs'];

export function volumesOf(state: State, app: string): UnitVolume[] {
  return [...state.volumes.values()].flatMap((volume) =>
    volume.binds.filter((bind) => bind.app === app).map((bind) => unitVolume(state, volume, bind)),
  );
}

export function dropVolumeBinds(state: State, app: string): void {
  for (const volume of state.volumes.values()) volume.binds = volume.binds.filter((bind) => bind.app !== app);
}

/** `{App, MountPoint, Volume}` and whether it is read-only, as in an app and in a volume. */
export function bindJson(volume: string, { app, mountPoint, readOnly }: VolumeBind): Record<string, unknown> {
  return { ID: { App: app, MountPoint: mountPoint, Volume: volume }, ReadOnly: readOnly };
}

export function volumeBindsJson(state: State, app: string): Record<string, unknown>[] {
  return [...state.volumes.values()].flatMap(({ name, binds }) =>
    binds.filter((bind) => bind.app === app).map((bind) => bindJson(name, bind)),
  );
}

function unitVolume(state: State, volume: Volume, { mountPoint, readOnly }: VolumeBind): UnitVolume {
  const options = { ...volume.options, ...state.volumePlans.get(volume.plan) };
  const { plugin = '', medium, sizeLimit } = options;
  const isOpen = plugin !== 'ephemeral' || OPEN_CLASSES.includes(options['storage-class'] ?? '');
  return {
    volume: volume.name,
    mountPoint,
    readOnly,
    isOpen,
    kind: plugin === 'emptyDir' && medium === 'Memory' ? 'memory' : OWN_PLUGINS.includes(plugin) ? 'disk' : 'shared',
    // `capacity` means nothing to an emptyDir, as in Tsuru.
    sizeLimit: sizeLimit === undefined ? undefined : bytesOf(sizeLimit),
  };
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, k: 1e3, M: 1e6, G: 1e9 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 },
};

/** A quantity of Kubernetes, '512Mi', in bytes; undefined when it is none. */
function bytesOf(quantity: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(quantity) ?? [];
  const bytes = Number(number) * (UNITS[unit] ?? NaN);
  return number === '' || Number.isNaN(bytes) ? undefined : Math.round(bytes);
}
