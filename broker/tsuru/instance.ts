import { asObject, asOptionalArray, asOptionalText, isObject } from '../../agent/shared/shape.ts';

/** An instance of a service, as Tsuru knows it. */
export interface Instance {
  /** The apps that are bound. Tsuru lists a bind before it calls the broker. */
  readonly apps: readonly string[];
  readonly team: string;
  /** Of an instance of a multi-cluster service; else ''. */
  readonly pool: string;
  /** What Tsuru stores, which may be what the broker refused; '' where it names no plan. */
  readonly plan: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The instances of one service in the list of all, by name; undefined when the list has no such service. */
export function readInstances(value: unknown, service: string): ReadonlyMap<string, Instance> | undefined {
  const own = asOptionalArray(value, 'the list of services')
    .map((item) => asObject(item, 'a service'))
    .filter((item) => item['service'] === service);
  if (own.length === 0) return undefined;
  return new Map(own.flatMap((item) => asOptionalArray(item['service_instances'], 'instances')).map(readInstance));
}

function readInstance(value: unknown): [name: string, Instance] {
  const instance = asObject(value, 'an instance');
  const { parameters } = instance;
  return [
    asOptionalText(instance['name'], 'name'),
    {
      apps: asOptionalArray(instance['apps'], 'apps').map((app) => asOptionalText(app, 'an app')),
      team: asOptionalText(instance['team_owner'], 'team_owner'),
      pool: asOptionalText(instance['pool'], 'pool'),
      plan: asOptionalText(instance['plan_name'], 'plan_name'),
      parameters: isObject(parameters) ? parameters : {},
    },
  ];
}
