import type { SettingsInput } from '../../agent/shared/settings/settings.ts';

/** A plan of the service, whole and checked. */
export interface Plan {
  readonly name: string;
  readonly isDefault: boolean;
  /** All that users see of it, in at most 80 characters. */
  readonly description: string;
  /** What it keeps and bridges, and its limits, for administrators. */
  readonly details: string;
  /** The plan that Tsuru gives the app. */
  readonly tsuruPlan: string;
  /** Of Tsuru's plan. */
  readonly memoryBytes: number;
  /** Where instances run unless another pool is named; '': Tsuru's default. */
  readonly pool: string;
  readonly storage: Storage;
  readonly defaults: SettingsInput;
  readonly ceilings: SettingsInput;
}

export interface Storage {
  /** `tmpfs`: in the unit's memory; `ephemeral`: a disk of the unit's own. Both go with the unit. */
  readonly kind: 'tmpfs' | 'ephemeral';
  /** A volume plan of Tsuru's: with the plugin emptyDir, or ephemeral. */
  readonly volumePlan: string;
  readonly sizeBytes: number;
}

const MEBIBYTE = 1024 ** 2;

/**
 * The options of a plan's volume, as Tsuru's provisioner for Kubernetes takes them. An ephemeral one has its capacity from the volume plan:
 * as an option Tsuru looks at it once and does not keep it (provision/kubernetes/volume.go).
 */
export function volumeOptions({ kind, sizeBytes }: Storage): Readonly<Record<string, string>> {
  return kind === 'tmpfs' ? { medium: 'Memory', sizeLimit: `${Math.floor(sizeBytes / MEBIBYTE)}Mi` } : {};
}
