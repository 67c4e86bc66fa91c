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

/** As Tsuru takes it in a form. */
export function volumeForm({ name, pool, team, plan, options }: VolumeSpec): Record<string, string> {
  const opts = Object.entries(options).map(([key, value]): [string, string] => [`Opts.${key}`, value]);
  return { Name: name, Pool: pool, TeamOwner: team, 'Plan.Name': plan, ...Object.fromEntries(opts) };
}

export function readVolume(value: unknown): Volume {
  const volume = asObject(value, 'the volume');
  const options = isObject(volume['Opts']) ? volume['Opts'] : {};
  const plan = isObject(volume['Plan']) ? volume['Plan'] : {};
  const { plugin } = isObject(plan['Opts']) ? plan['Opts'] : {};
  return {
    name: asOptionalText(volume['Name'], 'Name'),
    pool: asOptionalText(volume['Pool'], 'Pool'),
    plan: asOptionalText(plan['Name'], 'Plan'),
    team: asOptionalText(volume['TeamOwner'], 'TeamOwner'),
    isDisk: plugin === 'ephemeral',
    options: Object.fromEntries(Object.entries(options).map(([key, option]) => [key, String(option)])),
    boundTo: asOptionalArray(volume['Binds'], 'Binds').map((bind) => {
      const { ID: id } = asObject(bind, 'a bind');
      return asOptionalText(asObject(id, 'ID')['App'], 'App');
    }),
  };
}
