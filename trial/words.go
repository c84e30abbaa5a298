package trial

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// words are 256 short words, one for each byte, in the order of the alphabet.
// No two begin with the same four letters, so that a bad line does not turn one
// into another. The list never changes: receipts were read out with it.
var words = strings.Fields(`
	acorn actor album amber angle ankle apple april apron arch arrow atlas aunt autumn badge bagel
	baker bamboo banjo barn basket beach beaver bench berry bike birch bishop blanket boat bonnet book
	bottle bridge broom bucket bulb button cabin cactus camel candle canoe carpet carrot castle cedar chair
	cherry chess circus clock clover cobalt coffee copper coral cotton cousin cricket crown cube cup curtain
	daisy dancer desert diamond dinner doctor dolphin donkey dragon drum duck eagle earth easel echo elbow
	elder ember engine falcon farm feather fence fern ferry fiddle finger fish flag flute forest fossil
	fox frost fruit galaxy garden garlic ginger giraffe glass globe goat gold goose grape gravel guitar
	hammer harbour harp hazel hedge helmet hero hill honey horse hotel ice igloo indigo ink iron
	island ivory jacket jaguar jam january jelly jewel jigsaw judge juice july jungle jury kettle kingdom
	kite kitten ladder lake lamp lantern lawn lemon letter lily lion lizard lobster locket lotus lunch
	magnet mango maple marble market meadow melon mirror moon moth mountain museum music napkin navy needle
	nephew nest noodle north novel nurse oak ocean olive onion opal orange orchid otter oven owl
	oxygen paddle palace panda paper parrot pebble pencil pepper piano pigeon pillow planet plum poem pond
	poppy potato prince pumpkin puzzle pyramid quartz queen quilt rabbit radio raven ribbon river robin rocket
	rope ruby saddle salad salmon sandal scarf school shadow silver sister sky snow sofa spider spoon
	squirrel stable stone sugar summer swan table teacher temple tiger tomato torch tower tulip tunnel turtle
`)

// WordsOf writes the first eight bytes of a digest as eight words, to be read
// over the telephone and compared: two texts whose words are alike by chance are
// one in 2⁶⁴. The digest is hexadecimal, of 16 digits or more.
func WordsOf(digest string) (string, error) {
	if len(digest) < 16 {
		return "", fmt.Errorf("%q is not a digest: it has fewer than 16 digits", digest)
	}
	b, err := hex.DecodeString(digest[:16])
	if err != nil {
		return "", fmt.Errorf("%q is not a digest: %w", digest, err)
	}
	all := make([]string, len(b))
	for i, x := range b {
		all[i] = words[x]
	}
	return strings.Join(all, " "), nil
}
