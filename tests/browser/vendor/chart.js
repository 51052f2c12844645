// What the page draws charts with.

import {
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Filler,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PieController,
  PointElement,
  Tooltip,
} from "chart.js";

Chart.register(ArcElement, BarController, BarElement, CategoryScale, Filler, Legend, LinearScale);
Chart.register(LineController, LineElement, PieController, PointElement, Tooltip);

export { Chart };
