import { asObject, asOptionalText, isObject } from '../../agent/shared/shape.ts';
import { listOf } from './app.ts';

export interface Volume {
  readonly pool: string;
  readonly plan: string;
  readonly team: string;
  readonly options: Readonly<Record<string, string>>;
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
  return {
    pool: asOptionalText(volume['Pool'], 'Pool'),
    plan: isObject(volume['Plan']) ? asOptionalText(volume['Plan']['Name'], 'Plan') : '',
    team: asOptionalText(volume['TeamOwner'], 'TeamOwner'),
    options: Object.fromEntries(Object.entries(options).map(([key, option]) => [key, String(option)])),
    boundTo: listOf(volume['Binds'], 'Binds').map((bind) => {
      const { ID: id } = asObject(bind, 'a bind');
      return asOptionalText(asObject(id, 'ID')['App'], 'App');
    }),
  };
}
