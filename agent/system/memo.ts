/** The same function, which gives its last result again, the very same object, as long as its arguments are the very same ones. */
export function unlessSame<Args extends readonly unknown[], Result>(
  make: (...args: Args) => Result,
): (...args: Args) => Result {
  let last: { readonly args: Args; readonly result: Result } | undefined;
  return (...args) => {
    const isSame = last?.args.every((arg, index) => Object.is(arg, args[index])) === true;
    if (last === undefined || !isSame) last = { args, result: make(...args) };
    return last.result;
  };
}
