// Round numbers along an axis that holds zero.

const STEPS = [1, 2, 2.5, 5, 10];
const ABOUT = 4;

export function scaleOf(values) {
  const least = Math.min(0, ...values);
  const most = Math.max(0, ...values);
  const rough = (most - least || ABOUT) / ABOUT;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.find((each) => each * power >= rough) * power;
  const low = Math.floor(least / step) * step;
  const high = Math.max(low + step, Math.ceil(most / step) * step);
  const ticks = Array.from(
    { length: Math.round((high - low) / step) + 1 },
    (_, at) => low + at * step,
  );
  return { low, high, ticks };
}
