import { asObject, asOptionalArray, asOptionalText, isObject } from '../../agent/shared/shape.ts';

export interface Volume {
  readonly name: string;
  readonly pool: string;
  readonly plan: string;
  readonly team: string;
  readonly options: Readonly<Record<string, string>>;
  /** Whether it is a disk of a unit's own, which Tsuru changes no more once it is there. */
  readonly isDisk: boolean;
  readonly boundTo: readonly string[];
}

export interface VolumeSpec {
  readonly name: string;
  readonly pool: string;
  readonly team: string;
  readonly plan: string;
  readonly options: Readonly<Record<string, string>>;
}

/** The options of each volume plan, by its name: `plugin`, `medium` and those of the plugin. */
export type VolumePlans = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** Reads `{ kubernetes: [{ Name, Opts }] }`: the plans of each provisioner. */
export function readVolumePlans(value: unknown): VolumePlans {
  if (value === undefined) return new Map();
  const plans = Object.values(asObject(value, 'the volume plans')).flatMap((list) =>
    asOptionalArray(list, 'the volume plans of a provisioner'),
  );
  return new Map(
    plans.map((plan) => {
      const { Name: name, Opts: options } = asObject(plan, 'a volume plan');
      return [asOptionalText(name, 'Name'), textsOf(options)];
    }),
  );
}

/** As Tsuru takes it in a form. */
export function volumeForm({ name, pool, team, plan, options }: VolumeSpec): Record<string, string> {
  const opts = Object.entries(options).map(([key, value]): [string, string] => [`Opts.${key}`, value]);
  return { Name: name, Pool: pool, TeamOwner: team, 'Plan.Name': plan, ...Object.fromEntries(opts) };
}

export function readVolume(value: unknown): Volume {
  const volume = asObject(value, 'the volume');
  const plan = isObject(volume['Plan']) ? volume['Plan'] : {};
  const { plugin } = isObject(plan['Opts']) ? plan['Opts'] : {};
  return {
    name: asOptionalText(volume['Name'], 'Name'),
    pool: asOptionalText(volume['Pool'], 'Pool'),
    plan: asOptionalText(plan['Name'], 'Plan'),
    team: asOptionalText(volume['TeamOwner'], 'TeamOwner'),
    isDisk: plugin === 'ephemeral',
    options: textsOf(volume['Opts']),
    boundTo: asOptionalArray(volume['Binds'], 'Binds').map((bind) => {
      const { ID: id } = asObject(bind, 'a bind');
      return asOptionalText(asObject(id, 'ID')['App'], 'App');
    }),
  };
}

function textsOf(options: unknown): Readonly<Record<string, string>> {
  const entries = isObject(options) ? Object.entries(options) : [];
  return Object.fromEntries(entries.map(([key, option]) => [key, String(option)]));
}
