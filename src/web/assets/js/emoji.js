// The emojis that are offered. Pure data.

export const QUICK_EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** @type {{ name: string, emoji: string[] }[]} */
export const EMOJI_GROUPS = [
  {
    name: "Faces",
    emoji: [..."😀😄😁😅🤣😊😉😍🥰😘😋😎🤔🤨😐😏🙄😬😴🤯😳🥳😇😭😡🤗🤩😜🤫🤒"],
  },
  {
    name: "Hands and people",
    emoji: [..."👎👏🙌👌💪🤝👋🤞🤙👀🧠💃🏃🙋🤷🤦🫡🫶"],
  },
  {
    name: "Things",
    emoji: [..."🔥🎉✨💯✅❌❓💡🚀🎯🏆🎂🍕☕🍺🌍🌧🌈🐛🔧📎📌⏳💤💔🧡💛💚💙💜"],
  },
];
